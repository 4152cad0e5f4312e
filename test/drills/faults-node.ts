// Faults of the server's own processes, and its planned restarts.
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './drill.ts';
import { type Node, signal } from './world.ts';

export const nodeFaults: readonly Fault[] = [
  {
    id: 'worker-killed',
    title: 'A worker is killed (`kill -9`)',
    async run({ world: { nodes } }, mended) {
      const [first = 0] = nodes[0].workers();
      signal(first, 'SIGKILL');
      mended();
      while (nodes[0].workers().length < 2 || nodes[0].workers().includes(first)) await delay(50);
      return [];
    },
  },
  {
    id: 'node-killed',
    title: 'A node is killed with its workers (`kill -9`), and started 5 s later',
    async run({ world: { nodes } }, mended) {
      await nodes[0].kill();
      await delay(5_000);
      mended();
      await nodes[0].start();
      return [];
    },
  },
  {
    id: 'node-stopped',
    title: 'Each node in turn is stopped (SIGTERM) and started again',
    planned: true,
    async run({ world: { nodes } }, mended) {
      mended();
      for (const node of nodes) {
        await node.stop();
        await node.start();
        // nginx tries one that has refused it again after two seconds (fail_timeout).
        await delay(3_000);
      }
      return [];
    },
  },
  {
    id: 'rolling-restart',
    title: 'The workers of both nodes are replaced (SIGHUP)',
    planned: true,
    async run({ world: { nodes } }, mended) {
      mended();
      for (const node of nodes) await roll(node);
      return [];
    },
  },
];

async function roll(node: Node): Promise<void> {
  const done = () =>
    node
      .process()
      .output()
      .match(/Rolling restart done/g)?.length ?? 0;
  const before = done();
  node.process().child.kill('SIGHUP');
  for (let tick = 0; done() === before; tick += 1) {
    if (tick > 1200) throw new Error('the rolling restart did not end within a minute');
    await delay(50);
  }
}
