import { ParleyRoomElement } from "./parley-room.ts";

// The script may be in a page twice.
if (!customElements.get("parley-room")) customElements.define("parley-room", ParleyRoomElement);
