// The faults, in the order in which they are drilled.

import type { Fault } from './drill.ts';
import { busFaults } from './faults-bus.ts';
import { databaseFaults } from './faults-database.ts';
import { nodeFaults } from './faults-node.ts';
import { redisFaults } from './faults-redis.ts';

export const faults: readonly Fault[] = [...nodeFaults, ...redisFaults, ...databaseFaults, ...busFaults];
