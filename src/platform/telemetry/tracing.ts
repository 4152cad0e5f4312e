// What tracing is to the rest of the server: one span for each request and one for each of its waits.
import type { AnsweredRequest } from './request-log.ts';

export interface TracingSettings {
  /** The base address of an OTLP receiver; without it there are no traces. */
  readonly endpoint: string | undefined;
  /** `name=value,name=value`, as OpenTelemetry writes them. */
  readonly headers: string | undefined;
  readonly serviceName: string;
  /** Of the requests that begin a trace of their own, the share that is kept. */
  readonly sampleRatio: number;
}

export interface Tracing {
  begin(request: TracedRequest): Trace;
  /** Spans that the receiver did not take. */
  lost(): number;
  /** Sends what is waiting. Never rejects. */
  stop(): Promise<void>;
}

export interface TracedRequest {
  /** The header `traceparent`. */
  readonly parent: string | undefined;
  /** Whether the trace is one to belong to, or a stranger's, which is only linked to. */
  isBelieved(): boolean;
}

export interface Trace {
  readonly traceId: string;
  /** When false, nobody will see the waits of this request. */
  readonly sampled: boolean;
  end(answered: AnsweredRequest, requestId: string): void;
}
