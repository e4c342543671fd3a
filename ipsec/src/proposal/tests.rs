use super::*;
use crate::isakmp::SaPayload;
use crate::path::Encapsulation;
use crate::responder::tests::profile::{Profile, WINDOWS_SA, esp_attributes, proposals, sa, tlv, tv};

fn ike(offer: &[u8], policy: Algorithms) -> Option<(String, u8, Duration)> {
    let offer = SaPayload::parse(offer).expect("an SA");
    let choice = choose_ike(&offer, IkePolicy::psk(policy))?;
    Some((choice.suite.to_string(), choice.transform.number, choice.lifetime))
}

fn esp(transforms: &[(u8, Vec<u8>)], policy: Algorithms, mtu: u16) -> Option<String> {
    esp_over(false, transforms, policy, mtu)
}

fn esp_over(ipv6: bool, transforms: &[(u8, Vec<u8>)], policy: Algorithms, mtu: u16) -> Option<String> {
    let offer = sa(1, &[0, 0, 1, 0], transforms);
    let offer = SaPayload::parse(&offer).expect("an SA");
    let policy =
        EspPolicy { algorithms: policy, mtu, encapsulation: Encapsulation::Udp, ipv6, public_len: None };
    choose_esp(&offer, policy).ok().map(|choice| choice.suite.to_string())
}

#[test]
fn windows_is_answered_with_its_strongest() {
    for policy in Algorithms::ALL {
        let chosen = ike(WINDOWS_SA, policy);
        assert_eq!(chosen, Some(("AES-256-CBC/SHA1/ECP-384".into(), 1, Duration::from_secs(28_800))));
    }
    let offer = SaPayload::parse(WINDOWS_SA).expect("an SA");
    let (line, _) = describe_ike(&offer, IkePolicy::psk(Algorithms::Modern));
    assert_eq!(
        line,
        "AES-256/SHA1/ECP-384, AES-128/SHA1/ECP-256, AES-256/SHA1/MODP-2048, 3DES/SHA1/MODP-2048, 3DES/SHA1/MODP-1024"
    );
}

#[test]
fn the_policies_differ_where_they_say() {
    let chosen = |profile: Profile, policy| ike(&profile.ike, policy).map(|(suite, ..)| suite);
    let all = |profile: Profile| Algorithms::ALL.map(|policy| chosen(profile.clone(), policy));
    let some = |text: &str| Some(text.to_string());
    assert_eq!(all(Profile::apple()), [(); 3].map(|()| some("AES-256-CBC/SHA2-512/MODP-2048")));
    assert_eq!(all(Profile::network_manager()), [(); 3].map(|()| some("AES-256-CBC/SHA1/ECP-384")));
    let android = some("AES-256-CBC/SHA2-512/MODP-1024");
    assert_eq!(all(Profile::android(3)), [None, android.clone(), android]);
    let tp_link = some("3DES-CBC/MD5/MODP-1024");
    assert_eq!(all(Profile::simple(None, 1, 2)), [None, tp_link.clone(), tp_link]);
    let ce = || some("AES-128-CBC/SHA1/MODP-768");
    assert_eq!(all(Profile::simple(Some(128), 2, 1)), [None, None, ce()]);
}

#[test]
fn the_weaker_of_group_and_cipher_decides_before_anything_else() {
    let transform =
        |cipher: Vec<u8>, hash, group| (1, [cipher, tv(2, hash), tv(3, 1), tv(4, group)].concat());
    let aes = |bits| [tv(1, 7), tv(14, bits)].concat();
    let best =
        |transforms: &[(u8, Vec<u8>)]| ike(&sa(1, &[], transforms), Algorithms::Legacy).expect("one").1;
    assert_eq!(best(&[transform(aes(256), 6, 2), transform(tv(1, 5), 2, 14)]), 2, "112 bits before 80");
    assert_eq!(best(&[transform(aes(128), 2, 14), transform(aes(128), 2, 15)]), 2, "112 bits before 128");
    assert_eq!(best(&[transform(aes(128), 2, 20), transform(aes(128), 2, 19)]), 1, "both 128: the group");
    assert_eq!(best(&[transform(aes(128), 2, 14), transform(aes(256), 2, 14)]), 2, "both 112: the cipher");
    assert_eq!(best(&[transform(aes(256), 1, 14), transform(aes(256), 5, 14)]), 2, "the hash");
    assert_eq!(best(&[transform(aes(256), 5, 14), transform(aes(256), 5, 14)]), 1, "the client's order");
}

#[test]
fn what_is_not_understood_is_not_agreed_to() {
    let whole = || [tv(1, 7), tv(14, 256), tv(2, 2), tv(3, 1), tv(4, 14)].concat();
    let accepted = |attributes: Vec<u8>| ike(&sa(1, &[], &[(1, attributes)]), Algorithms::Legacy).is_some();
    assert!(accepted(whole()));
    assert!(!accepted([whole(), tv(13, 1)].concat()), "a prf of its own");
    assert!(!accepted([tv(1, 7), tv(14, 100), tv(2, 2), tv(3, 1), tv(4, 14)].concat()), "AES-100");
    assert!(
        !accepted([tv(1, 5), tv(14, 192), tv(2, 2), tv(3, 1), tv(4, 14)].concat()),
        "3DES with a key length"
    );
    assert!(!accepted([tv(1, 7), tv(2, 2), tv(3, 3), tv(4, 14)].concat()), "RSA signatures");
    assert!(accepted([tv(1, 7), tv(2, 2), tv(3, 1), tv(4, 14)].concat()), "AES without a length is AES-128");
    let other = proposals(&[(1, 3, &[1, 2, 3, 4], &[(1, whole())])]);
    assert!(ike(&other, Algorithms::Legacy).is_none(), "ESP in phase 1");
    assert!(ike(&sa(1, &[], &[(2, whole())]), Algorithms::Legacy).is_none(), "not KEY_IKE");
}

#[test]
fn lifetimes_are_the_clients() {
    let life = |life: Vec<u8>| {
        let attributes = [tv(1, 7), tv(14, 256), tv(2, 2), tv(3, 1), tv(4, 14), life].concat();
        ike(&sa(1, &[], &[(1, attributes)]), Algorithms::Modern).expect("one").2.as_secs()
    };
    assert_eq!(life(Vec::new()), 28_800);
    assert_eq!(life([tv(11, 1), tv(12, 300)].concat()), 300);
    assert_eq!(life([tv(11, 1), tlv(12, 86_400)].concat()), 86_400);
    assert_eq!(life([tv(11, 2), tlv(12, 4_000), tv(11, 1), tv(12, 600)].concat()), 600, "kilobytes first");
    assert_eq!(life([tv(11, 2), tlv(12, 4_000)].concat()), 28_800, "kilobytes only");
    assert_eq!(life([tv(11, 1), tlv(12, u32::MAX)].concat()), 30 * 86_400);
    assert_eq!(life([tv(11, 1), tv(12, 0)].concat()), 28_800);
}

#[test]
fn esp_integrity_is_chosen_by_what_works() {
    let aes = |bits, auth| (12, esp_attributes(4, Some(bits), auth, &[]));
    let triple_des = |auth| (3, esp_attributes(4, None, auth, &[]));
    let (md5, sha1, sha256, sha384, sha512) = (1, 2, 5, 6, 7);
    let best = |transforms: &[(u8, Vec<u8>)], mtu| esp(transforms, Algorithms::Compatible, mtu).expect("one");
    let cases = [
        (vec![aes(256, sha512), aes(256, sha384), aes(256, sha1)], 1400, "AES-256-CBC/HMAC-SHA2-384-192"),
        (vec![aes(256, sha512), aes(256, sha384), aes(256, sha1)], 1300, "AES-256-CBC/HMAC-SHA2-512-256"),
        (vec![aes(256, sha512), aes(256, sha1)], 1405, "AES-256-CBC/HMAC-SHA2-512-256"),
        (vec![aes(256, sha512), aes(128, sha1)], 1400, "AES-128-CBC/HMAC-SHA1-96"),
        (vec![aes(256, sha512), aes(256, sha256)], 1400, "AES-256-CBC/HMAC-SHA2-512-256"),
        // How long its ICV is, nobody knows: not taken where something as strong is offered without that doubt.
        (vec![aes(256, sha256), aes(256, sha384)], 1400, "AES-256-CBC/HMAC-SHA2-384-192"),
        (vec![aes(256, sha256), aes(256, sha1)], 1400, "AES-256-CBC/HMAC-SHA1-96"),
        (vec![aes(256, sha256), aes(128, sha1)], 1400, "AES-128-CBC/HMAC-SHA1-96"),
        (vec![aes(128, sha256), triple_des(sha1)], 1400, "AES-128-CBC/HMAC-SHA2-256-128"),
        (vec![aes(256, md5), aes(256, sha256)], 1400, "AES-256-CBC/HMAC-SHA2-256-128"),
        (vec![triple_des(md5), triple_des(sha1)], 1400, "3DES-CBC/HMAC-SHA1-96"),
        (vec![aes(128, sha1), aes(192, sha1), aes(256, sha1)], 1400, "AES-256-CBC/HMAC-SHA1-96"),
    ];
    for (transforms, mtu, expected) in cases {
        assert_eq!(best(&transforms, mtu), expected);
    }
    assert_eq!(esp(&[triple_des(sha1)], Algorithms::Modern, 1400), None);
    assert_eq!(esp(&[aes(128, md5)], Algorithms::Modern, 1400), None);
    assert_eq!(esp(&[(2, esp_attributes(4, None, sha1, &[]))], Algorithms::Compatible, 1400), None);
    let des = esp(&[(2, esp_attributes(4, None, sha1, &[]))], Algorithms::Legacy, 1400);
    assert_eq!(des.as_deref(), Some("DES-CBC/HMAC-SHA1-96"));
}

/// ChromeOS offers aes128gcm16 before its CBC suites; strongSwan's users write any of these.
#[test]
fn aes_gcm_with_a_whole_tag_is_the_best() {
    let gcm = |id: u8, bits| (id, [tv(1, 1), tv(2, 3600), tv(6, bits), tv(4, 4)].concat());
    let cbc = |auth| (12, esp_attributes(4, Some(256), auth, &[]));
    let (sha1, sha256, md5) = (2, 5, 1);
    let best = |transforms: &[(u8, Vec<u8>)]| esp(transforms, Algorithms::Modern, 1400);
    let some = |name: &str| Some(name.to_string());
    assert_eq!(best(&[cbc(sha1), gcm(20, 128)]), some("AES-128-GCM-16"));
    assert_eq!(best(&[gcm(20, 128), gcm(20, 256), gcm(20, 192)]), some("AES-256-GCM-16"));
    assert_eq!(best(&[gcm(18, 256), gcm(19, 128)]), some("AES-128-GCM-12"));
    assert_eq!(best(&[gcm(18, 256), cbc(sha256)]), some("AES-256-CBC/HMAC-SHA2-256-128"));
    assert_eq!(best(&[gcm(18, 256), cbc(md5)]), some("AES-256-GCM-8"));
    assert_eq!(best(&[gcm(20, 100)]), None);
    // RFC 4106 §8.2: no integrity algorithm beside it.
    assert_eq!(best(&[(20, esp_attributes(4, Some(128), sha1, &[]))]), None);
    // Without a key length it is 128 bits, as AES-CBC is.
    assert_eq!(best(&[(20, tv(4, 4))]), some("AES-128-GCM-16"));
}

#[test]
fn no_encryption_is_a_last_choice_and_legacy_only() {
    let null = |auth| (11, esp_attributes(4, None, auth, &[]));
    let des = (2, esp_attributes(4, None, 1, &[]));
    for policy in [Algorithms::Modern, Algorithms::Compatible] {
        assert_eq!(esp(&[null(2)], policy, 1400), None);
    }
    assert_eq!(esp(&[null(7), des], Algorithms::Legacy, 1400).as_deref(), Some("DES-CBC/HMAC-MD5-96"));
    assert_eq!(esp(&[null(2)], Algorithms::Legacy, 1400).as_deref(), Some("NULL/HMAC-SHA1-96"));
}

#[test]
fn an_unusable_spi_is_no_offer() {
    let transforms = [(12, esp_attributes(4, Some(128), 2, &[]))];
    let policy = EspPolicy {
        algorithms: Algorithms::Modern,
        mtu: 1400,
        encapsulation: Encapsulation::Udp,
        ipv6: false,
        public_len: None,
    };
    for (spi, good) in
        [(&[0, 0, 0, 255][..], false), (&[0, 0, 1, 0], true), (&[1, 2, 3], false), (&[1; 16], false)]
    {
        let offer = proposals(&[(1, 3, spi, &transforms)]);
        let offer = SaPayload::parse(&offer).expect("an SA");
        assert_eq!(choose_esp(&offer, policy).is_ok(), good);
    }
}

/// The header outside is 20 octets longer, so that less fits beside a long integrity check value.
#[test]
fn over_ipv6_a_shorter_icv_is_chosen_sooner() {
    let aes = |bits, auth| (12, esp_attributes(4, Some(bits), auth, &[]));
    let (sha1, sha512) = (2, 7);
    let best = |ipv6, mtu| esp_over(ipv6, &[aes(256, sha512), aes(128, sha1)], Algorithms::Modern, mtu);
    assert_eq!(best(false, 1388).as_deref(), Some("AES-256-CBC/HMAC-SHA2-512-256"));
    assert_eq!(best(true, 1388).as_deref(), Some("AES-128-CBC/HMAC-SHA1-96"));
    assert_eq!(best(true, 1372).as_deref(), Some("AES-256-CBC/HMAC-SHA2-512-256"));
}
