import { classic } from "./dialects.ts";
import type { Server } from "./server.ts";
import { connectUsers, type Testbed } from "./testbed.ts";

const WARM_UP_MS = 2000;
const IN_FLIGHT = 16;

/** The first user sends messages for a while, so that the server's code for them is compiled. */
export async function warmUp(server: Server, testbed: Testbed, room = "room0"): Promise<void> {
  const [socket] = await connectUsers(server, testbed, [0], classic, () => room);
  if (!socket) throw new Error("a user is needed");
  const send = classic.send(room);
  socket.onFrame = () => socket.write(send);
  for (let index = 0; index < IN_FLIGHT; index++) socket.write(send);
  await Bun.sleep(WARM_UP_MS);
  socket.close();
}
