"""The page's own cryptography, against ours and published vectors."""

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ocft.crypto import PasswordRun, make_share_code, password_verifier, share_keys
from tests.browser.conftest import call

if TYPE_CHECKING:
    from playwright.sync_api import Page


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_aes_gcm_is_that_of_nist(page: "Page") -> None:
    # gcm-spec, test case 16 (AES-256, 60 bytes, associated data).
    vector = {
        "key": "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "nonce": "cafebabefacedbaddecaf888",
        "data": "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c9595680953"
        "2fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "bound": "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    }
    want = (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
        "a7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
    )
    given = {name: b64(bytes.fromhex(one)) for name, one in vector.items()}
    body = (
        "return text(new m.OwnAesGcm(bytes(v.key)).seal(bytes(v.nonce), bytes(v.bound),"
        " bytes(v.data)))"
    )
    assert base64.b64decode(call(page, "aes_gcm.js", body, given)).hex() == want


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 255, 4096, 100_001])
def test_aes_gcm_is_that_of_openssl_and_refuses_a_changed_bit(page: "Page", size: int) -> None:
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    bound, data = secrets.token_bytes(size % 40), secrets.token_bytes(size)
    sealed = AESGCM(key).encrypt(nonce, data, bound)
    body = """
        const gcm = new m.OwnAesGcm(bytes(v.key));
        const [nonce, bound, sealed] = [bytes(v.nonce), bytes(v.bound), bytes(v.sealed)];
        const opened = gcm.open(nonce, bound, sealed);
        const again = gcm.seal(nonce, bound, opened);
        const same = again.every((one, at) => one === sealed[at]);
        sealed[v.at] ^= 4;
        return [opened.length, same, gcm.open(nonce, bound, sealed)];
    """
    given = {"key": b64(key), "nonce": b64(nonce), "bound": b64(bound), "sealed": b64(sealed)}
    at = secrets.randbelow(len(sealed))
    assert call(page, "aes_gcm.js", body, given | {"at": at}) == [size, True, None]


@pytest.mark.parametrize("size", [0, 55, 56, 63, 64, 65, 1000])
def test_sha_256_in_pieces_is_that_of_openssl(page: "Page", size: int) -> None:
    data = secrets.token_bytes(size)
    body = """
        const hash = new m.Sha256();
        for (const one of v) hash.update(bytes(one));
        return text(hash.digest());
    """
    pieces = [b64(data[:7]), b64(data[7:70]), b64(data[70:])]
    digest = hashlib.sha256(data).digest()
    assert base64.b64decode(call(page, "sha256.js", body, pieces)) == digest


def test_hkdf_is_that_of_rfc_5869(page: "Page") -> None:
    body = """
        const from = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (one) => parseInt(one, 16));
        return text(m.hkdf(from("000102030405060708090a0b0c"), from("0b".repeat(22)),
                           from("f0f1f2f3f4f5f6f7f8f9"), 42));
    """
    assert base64.b64decode(call(page, "derivation.js", body)).hex() == (  # test case 1
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_a_code_has_the_keys_that_it_has_here(page: "Page") -> None:
    code = make_share_code()
    body = "const k = await m.keysOf(v); return [k.id, text(m.sessionKey(k.master))]"
    keys = share_keys(code)
    assert call(page, "keys.js", body, code) == [keys.id, b64(keys.key())]


def test_our_own_rounds_are_those_of_openssl(page: "Page") -> None:
    body = "return text(m.ownPbkdf2(bytes(v[0]), bytes(v[1]), 1000))"
    want = hashlib.pbkdf2_hmac("sha256", b"p" * 70, b"salt", 1000)
    got = call(page, "derivation.js", body, [b64(b"p" * 70), b64(b"salt")])
    assert base64.b64decode(got) == want


def test_a_proof_of_a_password_is_the_one_that_the_server_makes(page: "Page") -> None:
    session = share_keys(make_share_code()).id
    begin = """
        window.proof = await m.PasswordProof.begin(v[0], v[1]);
        return window.proof.message;
    """
    theirs = call(page, "keys.js", begin, ["pass", session])
    run = PasswordRun(password_verifier("pass", session), is_receiver=False)
    proof = run.finish(base64.urlsafe_b64decode(theirs))
    p = secrets.token_bytes(32)
    finish = """
        const mac = window.proof.answer(v[0], v[1]);
        return [mac, text(await window.proof.openP(v[2]))];
    """
    sent = [url(run.message), url(proof.mac), url(proof.seal_p(p))]
    mac, got = call(page, "keys.js", finish, sent)
    assert proof.matches(base64.urlsafe_b64decode(mac + "="))
    assert base64.b64decode(got) == p


def url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
