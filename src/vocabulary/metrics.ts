// Every number that /metrics tells, each with its labels and one sentence. docs/metrics.md is generated from this table.

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Not `job` or `instance`, which Prometheus uses itself. Every value of a label comes from a list of ours: no address, no id, nothing that a request brings along. */
  readonly labels: readonly string[];
  readonly unit: string;
  readonly help: string;
  /** How several workers of one node become one number. */
  readonly across: 'sum' | 'max' | 'min' | 'first';
}

export const metrics = {
  gatehouse_info: {
    type: 'gauge',
    labels: ['version'],
    unit: '1',
    help: 'Always 1; the label is the version that runs.',
    across: 'first',
  },
  gatehouse_http_requests_total: {
    type: 'counter',
    labels: ['route', 'method', 'status'],
    unit: 'requests',
    help: 'Answered HTTP requests by route pattern, method and status.',
    across: 'sum',
  },
  gatehouse_http_request_duration_seconds: {
    type: 'histogram',
    labels: ['route', 'method'],
    unit: 'seconds',
    help: 'Time from the first byte of a request to its finished answer, by route pattern and method.',
    across: 'sum',
  },
  gatehouse_http_requests_in_flight: {
    type: 'gauge',
    labels: [],
    unit: 'requests',
    help: 'Requests that are being answered.',
    across: 'sum',
  },
  gatehouse_request_wait_seconds: {
    type: 'histogram',
    labels: ['part'],
    unit: 'seconds',
    help: 'Time that one request waited for database, redis, hashing, signing or outgoing requests: the sum of its waits, for requests that had any.',
    across: 'sum',
  },
  gatehouse_request_waits_total: {
    type: 'counter',
    labels: ['part'],
    unit: 'waits',
    help: 'How often requests waited for each of these: for database the statements, and connections that were not free.',
    across: 'sum',
  },
  gatehouse_logout_deliveries: {
    type: 'gauge',
    labels: ['state'],
    unit: 'notices',
    help: 'Clients still to be told of ended sessions, by state: waiting, and failed for those given up.',
    across: 'max',
  },
  gatehouse_messages: {
    type: 'gauge',
    labels: ['state'],
    unit: 'messages',
    help: 'Mails and text messages that are not sent, by state: waiting, and failed for those given up.',
    across: 'max',
  },
  gatehouse_database_up: {
    type: 'gauge',
    labels: [],
    unit: '1',
    help: '1 when PostgreSQL answers, 0 when it does not.',
    across: 'min',
  },
  gatehouse_database_connections: {
    type: 'gauge',
    labels: ['state'],
    unit: 'connections',
    help: 'Connections of the pool by state: used, free, and pending for those that somebody waits for.',
    across: 'sum',
  },
  gatehouse_redis_up: {
    type: 'gauge',
    labels: [],
    unit: '1',
    help: '1 while Redis answers, 0 while the server goes on without it; absent when there is none.',
    across: 'min',
  },
  gatehouse_password_hashing: {
    type: 'gauge',
    labels: ['state'],
    unit: 'passwords',
    help: 'Passwords by state: running for those being hashed, waiting for those that wait for it.',
    across: 'sum',
  },
  gatehouse_sign_ins_total: {
    type: 'counter',
    labels: ['outcome', 'method'],
    unit: 'sign-ins',
    help: 'Proofs shown at sign-in by method (password, totp, passkey …) and outcome: ok, refused, locked for those that came during a lockout, busy for those that found no place for hashing.',
    across: 'sum',
  },
  gatehouse_tokens_issued_total: {
    type: 'counter',
    labels: ['grant_type'],
    unit: 'token responses',
    help: 'Successful answers of the token endpoint by grant type.',
    across: 'sum',
  },
  gatehouse_limit_refusals_total: {
    type: 'counter',
    labels: ['limit'],
    unit: 'requests',
    help: 'Requests refused by a rate limit, by the name of the limit.',
    across: 'sum',
  },
  gatehouse_refusals_total: {
    type: 'counter',
    labels: ['kind'],
    unit: 'requests',
    help: 'Refused requests of callers that proved nothing, by the kinds of docs/events.md.',
    across: 'sum',
  },
  gatehouse_ledger_events_total: {
    type: 'counter',
    labels: ['type'],
    unit: 'events',
    help: 'Events written to the ledger by type. Tokens that leave a row of their own are not among them: see gatehouse_tokens_issued_total.',
    across: 'sum',
  },
  gatehouse_ledger_waiting: {
    type: 'gauge',
    labels: [],
    unit: 'events',
    help: 'Events that wait to be written together; at 10000 requests are refused.',
    across: 'sum',
  },
  gatehouse_job_last_success_timestamp_seconds: {
    type: 'gauge',
    labels: ['job_name'],
    unit: 'seconds',
    help: 'When each scheduled job last went well, in Unix time. Every node shows the same, whoever ran the job.',
    across: 'max',
  },
  gatehouse_job_last_duration_seconds: {
    type: 'gauge',
    labels: ['job_name'],
    unit: 'seconds',
    help: 'How long the last run of each scheduled job took.',
    across: 'max',
  },
  gatehouse_job_consecutive_failures: {
    type: 'gauge',
    labels: ['job_name'],
    unit: 'runs',
    help: 'How often each scheduled job has failed since it last went well.',
    across: 'max',
  },
  gatehouse_job_failures_total: {
    type: 'counter',
    labels: ['job_name'],
    unit: 'runs',
    help: 'How often each scheduled job has failed.',
    across: 'max',
  },
  gatehouse_signing_key_age_seconds: {
    type: 'gauge',
    labels: ['algorithm'],
    unit: 'seconds',
    help: 'Age of the keys that sign, since they were made.',
    across: 'max',
  },
  gatehouse_worker_restarts_total: {
    type: 'counter',
    labels: [],
    unit: 'workers',
    help: 'Workers that ended by themselves and were replaced, with `serve --workers`; 0 in a single process.',
    across: 'sum',
  },
  gatehouse_trace_spans_lost_total: {
    type: 'counter',
    labels: [],
    unit: 'spans',
    help: 'Spans that the receiver of traces did not take.',
    across: 'sum',
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metrics;

/** Names of one type. */
type Named<Type extends MetricDefinition['type']> = {
  [Name in MetricName]: (typeof metrics)[Name]['type'] extends Type ? Name : never;
}[MetricName];

export type CounterName = Named<'counter'>;
export type GaugeName = Named<'gauge'>;
export type HistogramName = Named<'histogram'>;

/** The labels of one metric, each with its value. */
export type LabelsOf<Name extends MetricName> = Readonly<
  Record<(typeof metrics)[Name]['labels'][number], string>
>;
