import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Dialog } from "../ui/dialog.tsx";
import { useSubmit } from "../ui/submit.ts";
import { RoomFields, settingsOf } from "./room-fields.tsx";

/** Changes the name and the settings of a room, or deletes it. For owners. */
export function RoomSettings({ room, onClose }: { room: Room; onClose: () => void }) {
  const { api, navigation, notifyOf, confirmAction } = useServices();
  const { id, name = "", access = "members", posting = "members", slowMode = 0 } = room;
  const { onSubmit, isBusy, problem } = useSubmit(async (fields) => {
    await api.changeRoom(id, settingsOf(fields));
    onClose();
  });
  const remove = async () => {
    const confirmed = await confirmAction({
      title: `Delete ${name}?`,
      text: "All messages of the room are deleted, for everyone and for good.",
      action: "Delete room",
      isRisky: true,
    });
    if (!confirmed) return;
    onClose();
    try {
      await api.deleteRoom(id);
      navigation.navigate({});
    } catch (error) {
      notifyOf("The room was not deleted.")(error);
    }
  };
  return (
    <Dialog title="Room settings" onClose={onClose} class="small">
      <form onSubmit={onSubmit}>
        <RoomFields room={{ name, access, posting, slow_mode: slowMode }} />
        {problem !== undefined && <p role="alert">{problem}</p>}
        <div class="dialog-buttons">
          <button type="button" class="button danger start" onClick={() => void remove()}>
            Delete room
          </button>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={isBusy}>
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}
