// The shapes of the ledger: what features write, what readers get, and by what it can be searched.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import type { EventType } from '../vocabulary/events.ts';

export type ActorKind = 'account' | 'client' | 'operator' | 'system' | 'anonymous';
export type Outcome = 'success' | 'failure' | 'denied';

/** Who acts. `operator` is a person at the command line of the server's own machine. */
export interface Actor {
  kind: ActorKind;
  id: string | null;
}

export interface NewEvent {
  type: EventType;
  actor: Actor;
  outcome: Outcome;
  /** The person it is about. */
  accountId?: string | null;
  clientId?: string | null;
  target?: { kind: string; id: string } | null;
  reason?: string | null;
  /** Never a secret. */
  details?: Record<string, unknown>;
}

export interface AuditEvent {
  id: string;
  occurredAt: Date;
  type: string;
  outcome: Outcome;
  actor: Actor;
  accountId: string | null;
  clientId: string | null;
  target: { kind: string; id: string } | null;
  reason: string | null;
  details: Record<string, unknown>;
  address: string | null;
  userAgent: string | null;
  requestId: string | null;
}

export interface EventFilter {
  /** An event name, or a prefix of names: `sign-in.*`. */
  type?: string | undefined;
  /** Any of these. */
  types?: readonly EventType[] | undefined;
  accountId?: string | undefined;
  clientId?: string | undefined;
  actorId?: string | undefined;
  targetKind?: string | undefined;
  targetId?: string | undefined;
  outcome?: Outcome | undefined;
  /** That of the answer which the act led to. */
  requestId?: string | undefined;
  /** From this instant on. */
  from?: Date | undefined;
  /** Before this instant. */
  to?: Date | undefined;
}

export interface RefusalFilter {
  kind?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

/** How often callers of one network were refused for one reason in one minute. */
export interface RefusalCount {
  minute: Date;
  kind: string;
  reason: string;
  /** An IPv4 /24, an IPv6 /64, `unknown`, or `other` when one minute saw too many to tell apart. */
  network: string;
  count: number;
}

/** An event as the command line, the export and the management API show it. */
export const AuditEventView = z
  .object({
    id: z.string(),
    occurredAt: instant,
    type: z.string(),
    outcome: z.enum(['success', 'failure', 'denied']),
    actor: z.object({
      kind: z.enum(['account', 'client', 'operator', 'system', 'anonymous']),
      id: z.string().nullable(),
    }),
    accountId: z.string().nullable(),
    clientId: z.string().nullable(),
    target: z.object({ kind: z.string(), id: z.string() }).nullable(),
    reason: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    address: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
  })
  .meta({ id: 'AuditEvent' });
export type AuditEventView = z.output<typeof AuditEventView>;

export const RefusalCountView = z
  .object({
    minute: instant,
    kind: z.string(),
    reason: z.string(),
    network: z.string(),
    count: z.int(),
  })
  .meta({ id: 'RefusalCount' });
