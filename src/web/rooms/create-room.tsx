import { useServices } from "../context.ts";
import { Dialog } from "../ui/dialog.tsx";
import { useSubmit } from "../ui/submit.ts";
import { RoomFields, settingsOf } from "./room-fields.tsx";

/** Creates a room, and goes there. */
export function CreateRoom({ onClose }: { onClose: () => void }) {
  const { api, navigation } = useServices();
  const { onSubmit, isBusy, problem } = useSubmit(async (fields) => {
    const { id } = await api.createRoom(settingsOf(fields));
    onClose();
    navigation.navigate({ room: id });
  });
  return (
    <Dialog title="New room" onClose={onClose} class="small">
      <form onSubmit={onSubmit}>
        <RoomFields />
        {problem !== undefined && <p role="alert">{problem}</p>}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={isBusy}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}
