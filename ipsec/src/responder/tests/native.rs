//! ESP as IP protocol 50: who gets it, and who does not.

use super::profile::esp_attributes;
use super::*;
use crate::path::Encapsulation;

/// A responder that serves native ESP too.
fn world() -> World {
    World::new(Config { native_esp: true, ..config(&["main"]) })
}

/// AES-128 and SHA-1 in this encapsulation mode.
fn mode(mode: u16) -> [(u8, Vec<u8>); 1] {
    [(12, esp_attributes(mode, Some(128), 2, &[]))]
}

/// A client goes through main mode and stays on port 500.
fn connect(world: &mut World, client: &mut Initiator) {
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let nat = client.read_message4(&message4);
    assert!(nat.is_none_or(crate::nat::Nat::is_none), "{nat:?}");
    let message6 = world.ask(client.path(), &client.message5());
    client.finish(&message6);
}

#[test]
fn a_client_without_a_nat_stays_on_port_500_and_gets_native_esp() {
    for profile in [Profile::windows10(), Profile::android(3), Profile::apple(), Profile::network_manager()] {
        let mut world = world();
        let mut client = client(profile.with_esp(&mode(2))).public();
        connect(&mut world, &mut client);
        assert_eq!(world.established().1.nat.expect("NAT-D").to_string(), "no NAT");
        let message2 = world.ask(client.path(), &client.quick1());
        let pair = world.opened();
        assert_eq!((pair.encapsulation, pair.path), (Encapsulation::Native, client.path()));
        let (message3, theirs) = client.quick3_and_pair(&message2);
        assert_eq!(theirs.nat_oa, 0);
        world.send(client.path(), &message3);
        assert_eq!(world.log().last().map(String::as_str), Some("c1 confirmed"));
        // What comes later finds it where it was.
        let pair = world.quick(&mut client);
        assert_eq!((pair.encapsulation, pair.rekey), (Encapsulation::Native, true));
    }
}

#[test]
fn a_client_without_nat_traversal_gets_native_esp() {
    let mut world = world();
    let mut client = client(Profile::simple(Some(256), 2, 14).without_nat_t().with_esp(&mode(2)));
    connect(&mut world, &mut client);
    assert_eq!(world.established().1.nat, None);
    // It cannot do anything else, whatever is known of its address.
    world.responder.native_is_lost(client.outside.ip());
    assert_eq!(world.quick(&mut client).encapsulation, Encapsulation::Native);
    let mut again = client.again(2);
    connect(&mut world, &mut again);
    assert_eq!(world.quick(&mut again).encapsulation, Encapsulation::Native);
}

#[test]
fn a_nat_on_either_side_means_udp() {
    for server_inside in ["192.0.2.1:500", "172.16.0.9:500"] {
        for public in [false, true] {
            let mut client = client(Profile::windows10());
            client.server_inside = addr(server_inside);
            if public && client.server_inside == client.server {
                continue;
            }
            let mut client = if public { client.public() } else { client };
            let mut world = world();
            world.connect(&mut client);
            let pair = world.quick(&mut client);
            assert_eq!((pair.encapsulation, pair.path), (Encapsulation::Udp, client.path()));
        }
    }
}

/// It should have moved to port 4500.
#[test]
fn a_client_behind_a_nat_that_stays_on_port_500_is_refused() {
    let mut world = world();
    let mut client = client(Profile::windows10().with_esp(&mode(2)));
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    assert!(client.read_message4(&message4).expect("NAT-D").server);
    let message6 = world.ask(client.path(), &client.message5());
    client.finish(&message6);
    world.ask(client.path(), &client.quick1());
    assert_eq!(world.log().last().map(String::as_str), Some("c1 refused: native_esp"));
}

/// Drafts 00 and 01 keep encapsulated ESP on port 500, which nobody here takes it from.
#[test]
fn encapsulation_on_port_500_is_refused_and_plain_transport_preferred_to_it() {
    for encapsulated in [4, 61444, 1] {
        let both = [mode(encapsulated), mode(2)].concat();
        for (offer, refusal) in [(mode(encapsulated).to_vec(), true), (both, false)] {
            let mut world = world();
            let mut client = client(Profile::windows10().with_esp(&offer)).public();
            connect(&mut world, &mut client);
            world.log();
            world.ask(client.path(), &client.quick1());
            let expected = match (refusal, encapsulated) {
                (false, _) => "c1 opened AES-128-CBC/HMAC-SHA1-96 first",
                (true, 1) => "c1 refused: tunnel_mode",
                (true, _) => "c1 refused: native_esp",
            };
            assert_eq!(world.log(), [expected]);
        }
    }
}

#[test]
fn an_address_from_which_native_esp_gets_lost_is_told_of_a_nat() {
    let mut world = world();
    let mut client = client(Profile::windows10().with_esp(&mode(2))).public();
    connect(&mut world, &mut client);
    assert_eq!(world.quick(&mut client).encapsulation, Encapsulation::Native);
    world.responder.native_is_lost(client.outside.ip());
    let mut again = client.again(2);
    world.connect(&mut again);
    assert_eq!(again.server.port(), NAT_T_PORT);
    assert_eq!(world.quick(&mut again).encapsulation, Encapsulation::Udp);
    // Others are still told the truth.
    let mut other = Initiator::new(Profile::windows10().with_esp(&mode(2)), "main", 3).public();
    other.inside = addr("198.51.100.8:500");
    other.outside = other.inside;
    connect(&mut world, &mut other);
}

#[test]
fn ipv6_is_told_of_a_nat() {
    let mut world = world();
    let mut client = client(Profile::windows10()).public();
    client.inside = addr("[2001:db8::7]:500");
    client.outside = client.inside;
    client.server = addr("[2001:db8::1]:500");
    client.server_inside = client.server;
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    client.float(&message4);
}

#[test]
fn aggressive_mode_serves_it_too() {
    let identifier = [&[11, 0, 0, 0][..], b"staff"].concat();
    let without = Profile::simple(Some(256), 4, 14).without_nat_t();
    for (profile, nat) in [(Profile::simple(Some(256), 4, 14), "no NAT"), (without, "none")] {
        let mut config = config(&["main"]);
        config.psks[0].id = Some("staff".into());
        let mut world = World::new(Config { native_esp: true, ..config });
        let mut client = client(profile.with_esp(&mode(2))).public();
        let message2 = world.ask(client.path(), &client.aggressive1(&identifier));
        let message3 = client.aggressive3(&message2, true).expect("the same key");
        assert_eq!(client.server.port(), 500, "it was told of no NAT");
        assert!(world.send(client.path(), &message3).is_empty());
        let told = world.established().1.nat.map_or_else(|| "none".into(), |nat| nat.to_string());
        assert_eq!(told, nat);
        assert_eq!(world.quick(&mut client).encapsulation, Encapsulation::Native);
    }
}
