// The faults, in the order in which they are drilled.
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './drill.ts';
import { signal } from './world.ts';

export const faults: readonly Fault[] = [
  {
    id: 'worker-killed',
    title: 'A worker is killed (`kill -9`)',
    async run({ world }, mended) {
      const [node] = world.nodes;
      const [first = 0] = node.workers();
      signal(first, 'SIGKILL');
      mended();
      while (node.workers().length < 2 || node.workers().includes(first)) await delay(50);
      return undefined;
    },
  },
];
