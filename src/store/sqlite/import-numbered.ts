import type { Position } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./importer.ts";

export class NumberedMessages {
  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
    private readonly file: Position,
  ) {}

  async apply(): Promise<Position | undefined> {
    return this.file;
  }
}
