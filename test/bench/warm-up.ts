import { classic } from "./dialects.ts";
import type { Server } from "./server.ts";
import { connectUsers, type Testbed } from "./testbed.ts";

const WARM_UP_MS = 2000;
const IN_FLIGHT = 16;

/** Sends messages for a while, so that the server's code for them is compiled. */
export async function warmUp(server: Server, testbed: Testbed): Promise<void> {
  const [socket] = await connectUsers(server, testbed, 1, classic, () => "room0");
  if (!socket) throw new Error("a user is needed");
  socket.onFrame = () => socket.write(classic.send);
  for (let index = 0; index < IN_FLIGHT; index++) socket.write(classic.send);
  await Bun.sleep(WARM_UP_MS);
  socket.close();
}
