/** Package entry `mayfly/controller`: embed a controller. Everything else in this folder is private. */
export { type Controller, createController } from "./controller.ts";
export { type RunControllerOptions, runController } from "./main.ts";
export { type ControllerOptions, controllerPortDefault } from "./options.ts";
export { createProcessProvisioner, type ProcessProvisionerOptions } from "./provisioners/process.ts";
export type { NodeSpec, ProvisionedNode, Provisioner } from "./provisioners/provisioner.ts";
export { createStaticProvisioner } from "./provisioners/static.ts";
