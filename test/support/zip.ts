import { crc32, deflateRawSync } from "node:zlib";

export interface ZipFileEntry {
  name: string;
  content: string | Uint8Array;
  /** Default: true. */
  compressed?: boolean;
  /** The size that the zip file claims for the content, if not the true one. */
  declaredBytes?: number;
  encrypted?: boolean;
}

/** Builds a zip file as APPNOTE.TXT describes it: entries, central directory, end record. */
export function buildZip(entries: readonly ZipFileEntry[]): Uint8Array<ArrayBuffer> {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, compressed = true, declaredBytes, encrypted = false } of entries) {
    const bytes = Buffer.from(content);
    const stored = compressed ? deflateRawSync(bytes) : bytes;
    const nameBytes = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800 | (encrypted ? 1 : 0), 2);
    common.writeUInt16LE(compressed ? 8 : 0, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(stored.length, 14);
    common.writeUInt32LE(declaredBytes ?? bytes.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    files.push(Buffer.from("PK\x03\x04", "latin1"), common, nameBytes, stored);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), common, rest, nameBytes);
    offset += 4 + common.length + nameBytes.length + stored.length;
  }
  const directoryBytes = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directoryBytes.length, 8);
  end.writeUInt32LE(offset, 12);
  return new Uint8Array(Buffer.concat([...files, directoryBytes, Buffer.from("PK\x05\x06", "latin1"), end]));
}
