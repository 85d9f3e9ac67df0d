import { MessageChannel, type MessagePort } from "node:worker_threads";

let closedPort: MessagePort | undefined;

/**
 * Returns the memory of an ArrayBuffer now, not at some later garbage collection: it is transferred to a closed port,
 * which throws the message away. All its views become empty. The caller makes sure that no socket, file or native
 * call still uses it: they would use memory that is no longer ours.
 *
 * The memory goes back to the machine if it was mapped on its own. glibc does so for more than 32 MiB, always
 * (DEFAULT_MMAP_THRESHOLD_MAX); smaller sizes move to its heap after the first such free, and stay resident.
 */
export function freeArrayBuffer(memory: ArrayBuffer): void {
  if (closedPort === undefined) {
    closedPort = new MessageChannel().port1;
    closedPort.close();
  }
  closedPort.postMessage(undefined, [memory]);
}
