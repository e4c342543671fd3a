#!/usr/bin/env python3
"""Computes ipsec.txt: what RFC 2409 and RFC 4303 say, written down a second time.

Ciphers come from the `cryptography` package, HMAC and hashes from the standard library, and the primes from their
formulas, so nothing is shared with what is tested.

    python3 ipsec.py > ipsec.txt
"""

import hashlib
import hmac
import struct
import warnings

warnings.filterwarnings("ignore")
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    TripleDES = algorithms.TripleDES


def show(name, octets):
    print(f"{name} = {octets.hex()}")


def some(name, length):
    """Octets that look random and are always the same."""
    return hashlib.shake_128(name.encode()).digest(length)


def prf(h, key, *parts):
    return hmac.new(key, b"".join(parts), h).digest()


def digest(h, *parts):
    return hashlib.new(h, b"".join(parts)).digest()


def pi_times_two_to(bits):
    guard = 64
    one = 1 << (bits + guard)

    def arctan_of_inverse(x):
        term = one // x
        total, divisor, sign = term, 3, -1
        while term:
            term //= x * x
            total += sign * (term // divisor)
            divisor, sign = divisor + 2, -sign
        return total

    return (4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))) >> guard


def prime(bits, constant):
    """RFC 2409 section 6, RFC 3526."""
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((pi_times_two_to(bits - 130) + constant) << 64)


def modp():
    print("\n# Diffie-Hellman: public = 2^x mod p, shared = peer^x mod p")
    for bits, constant in ((768, 149686), (1024, 129093), (1536, 741804), (2048, 124476), (3072, 1690314)):
        p = prime(bits, constant)
        x = int.from_bytes(some(f"x {bits}", 32), "big")
        y = int.from_bytes(some(f"y {bits}", bits // 8), "big") % p
        peer = pow(2, y, p)
        show(f"modp.{bits}.prime", p.to_bytes(bits // 8, "big"))
        show(f"modp.{bits}.private", x.to_bytes(32, "big"))
        show(f"modp.{bits}.public", pow(2, x, p).to_bytes(bits // 8, "big"))
        show(f"modp.{bits}.peer", peer.to_bytes(bits // 8, "big"))
        show(f"modp.{bits}.shared", pow(peer, x, p).to_bytes(bits // 8, "big"))


def keymat():
    print("\n# RFC 2409 section 5, 5.5, appendix B")
    for name, h, key_len, block in (
        ("sha1-aes128", "sha1", 16, 16),
        ("sha1-aes256", "sha1", 32, 16),
        ("md5-3des", "md5", 24, 8),
        ("sha1-des", "sha1", 8, 8),
        ("sha256-aes256", "sha256", 32, 16),
        ("sha384-aes192", "sha384", 24, 16),
        ("sha512-3des", "sha512", 24, 8),
    ):
        psk, ni, nr = b"correct horse battery staple", some("ni", 20), some("nr", 32)
        g_xy, g_xi, g_xr = some("g_xy", 256), some("g_xi", 256), some("g_xr", 256)
        cky_i, cky_r = some("cky_i", 8), some("cky_r", 8)
        sa, id_i, id_r = some("sa", 196), some("id_i", 8), some("id_r", 8)

        skeyid = prf(h, psk, ni, nr)
        skeyid_d = prf(h, skeyid, g_xy, cky_i, cky_r, b"\0")
        skeyid_a = prf(h, skeyid, skeyid_d, g_xy, cky_i, cky_r, b"\1")
        skeyid_e = prf(h, skeyid, skeyid_a, g_xy, cky_i, cky_r, b"\2")
        key = skeyid_e
        if len(key) < key_len:
            k = prf(h, skeyid_e, b"\0")
            key = k
            while len(key) < key_len:
                k = prf(h, skeyid_e, k)
                key += k
        iv = digest(h, g_xi, g_xr)[:block]
        last_block, message_id = some("last block", block), bytes.fromhex("a1b2c3d4")
        rest = some("rest of the message", 60)

        show(f"{name}.key", key[:key_len])
        show(f"{name}.iv", iv)
        show(f"{name}.phase2_iv", digest(h, last_block, message_id)[:block])
        show(f"{name}.hash_i", prf(h, skeyid, g_xi, g_xr, cky_i, cky_r, sa, id_i))
        show(f"{name}.hash_r", prf(h, skeyid, g_xr, g_xi, cky_r, cky_i, sa, id_r))
        show(f"{name}.hash_1", prf(h, skeyid_a, message_id, rest))
        show(f"{name}.hash_2", prf(h, skeyid_a, message_id, ni, rest))
        show(f"{name}.hash_3", prf(h, skeyid_a, b"\0", message_id, ni, nr))
        # 96 octets: AES-256 and HMAC-SHA2-512.
        for pfs in (b"", some("g(qm)^xy", 128)):
            seed = pfs + b"\3" + bytes.fromhex("c0ffee01") + ni + nr
            k = prf(h, skeyid_d, seed)
            material = k
            while len(material) < 96:
                k = prf(h, skeyid_d, k, seed)
                material += k
            show(f"{name}.keymat" + (".pfs" if pfs else ""), material[:96])


CIPHERS = {
    "null": (0, 4),
    "des": (8, 8),
    "3des": (24, 8),
    "aes128": (16, 16),
    "aes192": (24, 16),
    "aes256": (32, 16),
}
MACS = {"md5": ("md5", 12), "sha1": ("sha1", 12), "sha256": ("sha256", 16), "sha256_96": ("sha256", 12), "sha384": ("sha384", 24), "sha512": ("sha512", 32)}


def esp():
    print("\n# RFC 4303: sequence number 1, the keys are keymat: cipher first, then integrity")
    show("esp.payload", some("esp payload", 37))
    for cipher, (key_len, block) in CIPHERS.items():
        for mac, (h, icv_len) in MACS.items():
            name = f"esp.{cipher}.{mac}"
            key, mac_key = some(f"{name} key", key_len), some(f"{name} mac", hashlib.new(h).digest_size)
            iv, payload = some(f"{name} iv", block if key_len else 0), some("esp payload", 37)
            pad_len = -(len(payload) + 2) % block
            text = payload + bytes(range(1, pad_len + 1)) + bytes([pad_len, 17])
            if key_len:
                # One DES is 3DES with three equal keys.
                algorithm = algorithms.AES(key) if "aes" in cipher else TripleDES(key * 3 if cipher == "des" else key)
                encryptor = Cipher(algorithm, modes.CBC(iv)).encryptor()
                text = encryptor.update(text) + encryptor.finalize()
            packet = struct.pack(">II", 0xC0FFEE01, 1) + iv + text
            show(f"{name}.keymat", key + mac_key)
            show(f"{name}.packet", packet + hmac.new(mac_key, packet, h).digest()[:icv_len])

    print("\n# RFC 4106: the keys are keymat: cipher, then salt")
    for bits in (128, 192, 256):
        for icv_len in (8, 12, 16):
            name = f"esp.aes{bits}.gcm{icv_len}"
            key, salt, iv = some(f"{name} key", bits // 8), some(f"{name} salt", 4), some(f"{name} iv", 8)
            payload = some("esp payload", 37)
            pad_len = -(len(payload) + 2) % 4
            text = payload + bytes(range(1, pad_len + 1)) + bytes([pad_len, 17])
            header = struct.pack(">II", 0xC0FFEE01, 1)
            sealed = AESGCM(key).encrypt(salt + iv, text, header)
            show(f"{name}.keymat", key + salt)
            show(f"{name}.packet", header + iv + sealed[: len(text) + icv_len])


print("# Computed by ipsec.py.")
for name, length in (("ni", 20), ("nr", 32), ("g_xy", 256), ("g_xi", 256), ("g_xr", 256), ("cky_i", 8), ("cky_r", 8),
                     ("sa", 196), ("id_i", 8), ("id_r", 8), ("g(qm)^xy", 128), ("rest of the message", 60), ("last block", 16)):
    show(name.replace(" ", "_"), some(name, length))
modp()
keymat()
esp()
