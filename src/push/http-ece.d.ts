declare module "http_ece" {
  import type { ECDH } from "node:crypto";

  export interface EncryptOptions {
    version: "aes128gcm";
    /** The sender's key pair. */
    privateKey: ECDH;
    /** The receiver's public key: 65 bytes, or those in base64url. */
    dh: Buffer | string;
    /** 16 bytes, or those in base64url. */
    authSecret: Buffer | string;
    /** 16 bytes. Default: random. */
    salt?: Buffer | string;
  }

  const ece: { encrypt(plaintext: Buffer, options: EncryptOptions): Buffer };
  export default ece;
}
