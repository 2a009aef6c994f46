import type { ImportContext, ImportedRoom } from "./importer.ts";

export class ImportReactions {
  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
  ) {}

  of(_message: { key: string } | { seq: number }): string | null {
    return null;
  }
}
