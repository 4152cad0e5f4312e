// Traces, when a receiver is set; without one nothing of OpenTelemetry is loaded.
import type { Log } from './log.ts';
import type { Tracing, TracingSettings } from './tracing.ts';

/** Loads the exporter only now: its packages cost 25 MB and a third of a second, which is for those who want traces. */
export async function startTracing(
  { tracing: settings }: { tracing: TracingSettings },
  log: Log,
): Promise<Tracing | undefined> {
  const { endpoint } = settings;
  if (endpoint === undefined) return undefined;
  const { createTracing } = await import('./otlp.ts');
  return createTracing({ ...settings, endpoint }, { log });
}
