/** Test program: runs the services of a data folder until it is killed. Prints their pids. */
import { startServices } from '../start-services.ts';

const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error('usage: hold-services DIR');
const services = await startServices({ dataDir });
process.stdout.write(`${JSON.stringify(services.status().map((part) => part.pid))}\n`);
setInterval(() => undefined, 60_000);
