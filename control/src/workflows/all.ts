/** Every workflow, as the worker finds them. */
export { action, wake } from './action.ts';
export { admission } from './admission.ts';
