/** Package entry `mayfly/executor`: runs functions, here or on AWS Lambda. Everything else in this folder is private. */
export type {
  Executor,
  FunctionContext,
  FunctionHandler,
  HandlerRef,
  MapOptions,
  RunOptions,
} from "./executor.ts";
export { createLambdaExecutor, type LambdaExecutorOptions } from "./lambda-executor.ts";
export { createLambdaHandler, type LambdaHandler, type LambdaHandlerOptions } from "./lambda-function.ts";
export { createLocalExecutor, type LocalExecutorOptions } from "./local-executor.ts";
export type { TaskOptions } from "./task-executor.ts";
