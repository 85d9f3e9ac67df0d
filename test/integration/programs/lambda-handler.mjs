// What a user deploys to Lambda. MAYFLY_EXECUTOR is the URL of the package entry `mayfly/executor`.
const { createLambdaHandler } = await import(process.env.MAYFLY_EXECUTOR);

export const handler = createLambdaHandler({ modules: { words: () => import("./word-functions.mjs") } });
export const notAFunction = 7;
