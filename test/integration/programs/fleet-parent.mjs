// Starts a fleet, says so, and lives on: fleet-parent.mjs <URL of src/testing/index.js> <mainPath> <count>
const [, , testingUrl, mainPath, count] = process.argv;
const { startEmbeddedFleet } = await import(testingUrl);
const fleet = await startEmbeddedFleet({
  ...{ nodes: Number(count), nodeMemoryBytes: 64 * 2 ** 20, mainPath, port: 0 },
});
console.log(JSON.stringify({ ready: { url: fleet.url, pids: fleet.nodes.map(({ pid }) => pid) } }));
