// A function as users write them: connects by its ticket, works, and returns without closing anything.
// function.mjs <URL of client/index.js> <what>
const [, , clientUrl, what] = process.argv;
const { connect } = await import(clientUrl);
const job = await connect();
const bytes = Buffer.alloc(300_000, what);
await job.put(`${what}/object`, bytes);
await job.put(`${what}/cell`, "small");
const same = bytes.equals(await job.get(`${what}/object`));
if (what === "gives-up") {
  // The node goes on waiting for a minute; nobody is left to wait for the node.
  const signal = AbortSignal.timeout(100);
  await job.get("never", { waitMs: 60_000, signal }).catch((error) => console.log(error.code));
  await job.get(`${what}/cell`);
}
console.log(same ? "done" : "wrong bytes");
