// One instance of a Lambda function: what AWS's runtime for Node does around a handler, over an IPC channel.
// lambda-instance.mjs <URL of the module> <export>
const [, , url, name] = process.argv;

const errorOf = (thrown) => ({
  errorType: thrown?.name ?? "Error",
  errorMessage: thrown?.message ?? String(thrown),
  trace: String(thrown?.stack).split("\n"),
});
const say = (message, then = () => {}) => process.send(message, then);
const dieOf = (error) => say({ error }, () => process.exit(1));

process.on("uncaughtException", (thrown) => dieOf(errorOf(thrown)));
process.on("unhandledRejection", (reason) =>
  dieOf({ ...errorOf(reason), errorType: "Runtime.UnhandledPromiseRejection" }),
);

let handler;
try {
  handler = (await import(url))[name];
} catch (thrown) {
  const notFound = thrown?.code === "ERR_MODULE_NOT_FOUND" || thrown?.code === "ERR_UNSUPPORTED_DIR_IMPORT";
  dieOf({ ...errorOf(thrown), ...(notFound && { errorType: "Runtime.ImportModuleError" }) });
  await new Promise(() => {});
}
if (typeof handler !== "function") {
  dieOf({ errorType: "Runtime.HandlerNotFound", errorMessage: `${url} has no handler function ${name}` });
}

process.on("message", async ({ event, awsRequestId }) => {
  try {
    const result = await handler(event, { awsRequestId, functionName: process.env.AWS_LAMBDA_FUNCTION_NAME });
    say({ payload: JSON.stringify(result ?? null) });
  } catch (thrown) {
    say({ error: errorOf(thrown) });
  }
});
process.once("disconnect", () => process.exit(0));
if (typeof handler === "function") say({ ready: true });
