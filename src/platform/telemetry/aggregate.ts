// The numbers of several processes as one: counters are added up, and each other metric as it says itself.
import { AggregatorRegistry, Counter, Registry } from 'prom-client';
import { metrics as table } from '../../vocabulary/metrics.ts';
import type { WorkerMetrics } from '../workers/messages.ts';
import type { Metrics } from './metrics.ts';

interface Workers {
  metrics(): Promise<WorkerMetrics[]>;
  restarts(): number;
}

/** Not the library's own way over the channel: that fails altogether when one worker does not answer. */
export function aggregatedMetrics(workers: Workers): Pick<Metrics, 'registry' | 'text'> {
  const own = restartsIn(workers);
  return {
    registry: new Registry(),
    text: async () => {
      const told = [...(await workers.metrics()), await own.getMetricsAsJSON()];
      return AggregatorRegistry.aggregate(told).metrics();
    },
  };
}

/** What only the primary knows. */
function restartsIn(workers: Workers): Registry {
  const registry = new Registry();
  const name = 'gatehouse_worker_restarts_total';
  const { help, across } = table[name];
  new Counter({
    name,
    help,
    aggregator: across,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(workers.restarts());
    },
  });
  return registry;
}
