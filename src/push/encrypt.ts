import { createECDH, type ECDH } from "node:crypto";

import ece from "http_ece";

import type { PushSubscription } from "../chat/push-store.ts";

/** Push services take bodies of 4096 bytes (RFC 8291, section 4). Less the header of 86 bytes, the tag of 16 and the delimiter. */
export const MAX_PAYLOAD_BYTES = 3993;

/** What is random in each push. The test with the RFC's example sets it. */
export interface Randomness {
  keyPair: ECDH;
  salt?: Buffer;
}

/** Encrypts a payload for one browser: a body with the content encoding `aes128gcm` (RFC 8188, RFC 8291). */
export function encrypt(
  payload: Buffer,
  { p256dh, auth }: Pick<PushSubscription, "p256dh" | "auth">,
  { keyPair, salt }: Randomness = { keyPair: newKeyPair() },
): Buffer {
  return ece.encrypt(payload, {
    version: "aes128gcm",
    privateKey: keyPair,
    dh: Buffer.from(p256dh, "base64url"),
    authSecret: Buffer.from(auth, "base64url"),
    ...(salt && { salt }),
  });
}

/** A key pair of P-256. */
export function newKeyPair(): ECDH {
  const keyPair = createECDH("prime256v1");
  keyPair.generateKeys();
  return keyPair;
}
