// The numbers of several processes as one: counters are added up, and each other metric as it says itself.
import { AggregatorRegistry, Registry } from 'prom-client';
import type { WorkerMetrics } from '../workers/messages.ts';
import type { Metrics } from './metrics.ts';

/** Not the library's own way over the channel: that fails altogether when one worker does not answer. */
export function aggregatedMetrics(read: () => Promise<WorkerMetrics[]>): Pick<Metrics, 'registry' | 'text'> {
  return {
    registry: new Registry(),
    text: async () => AggregatorRegistry.aggregate(await read()).metrics(),
  };
}
