// Reserving: who asks while a statement is under way shares the next transaction, and each is let through or not in turn.
import { type EventRow, eventRow, type NewEvent } from '../audit/audit.ts';
import { newId, type ReservationId } from '../lib/ids.ts';
import { createBatch } from '../platform/database/batch.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { admit, byScope, isOverSoftLimit, stateOf, type Wanted } from './admit.ts';
import { type Counter, type Entry, mark, openCounters, type Reservation, write } from './counters.ts';
import { budgetEvent } from './events.ts';
import type { BudgetState } from './schema.ts';

export interface Request extends Wanted {
  /** Null: counted as used at once. */
  readonly expiresInSeconds: number | null;
  readonly heldIn: string | null;
  /** For whom it is counted when it is settled. */
  readonly usedBy: unknown;
  /** Written with it when it is let through; made where the request is known. */
  readonly event: ((outcome: Admitted) => NewEvent) | undefined;
}

export interface Admitted {
  readonly reservationId: ReservationId | null;
  readonly remaining: BudgetState[];
}

export interface Refused {
  readonly exceeded: BudgetState;
}

type Outcome = Admitted | (Refused & { readonly lapsed: readonly string[] }) | { readonly tooLarge: true };

interface Asking {
  readonly request: Request;
  /** An event takes the origin of the request that is under way, and a statement of many belongs to none. */
  readonly row: ((outcome: Admitted) => EventRow) | undefined;
}

export interface Reserving {
  reserve(request: Request): Promise<Admitted | Refused>;
}

export interface ReservingDeps {
  postgres: Postgres;
  /** Gives back what has expired under these budgets. */
  releaseExpired(budgetIds: readonly string[]): Promise<void>;
  now: () => Date | null;
}

// Each of them is a write to disk.
const COMPANY_MILLISECONDS = 2;

export function createReserving(deps: ReservingDeps): Reserving {
  // A statement of many does wait for locks: whoever holds them is a statement like this one, and gone in milliseconds.
  const batch = createBatch<Asking, Outcome>({
    run: (asking) => reserveAll(deps, asking),
    inFlight: 2,
    companyMilliseconds: COMPANY_MILLISECONDS,
  });
  return {
    async reserve(request) {
      const asking = { request, row: rowMaker(request) };
      let outcome = await batch.run(asking);
      if ('lapsed' in outcome && outcome.lapsed.length > 0) {
        await deps.releaseExpired(outcome.lapsed);
        outcome = await batch.run(asking);
      }
      if ('tooLarge' in outcome) throw failure('amount_invalid');
      return outcome;
    },
  };
}

function rowMaker({ event }: Request): Asking['row'] {
  if (event === undefined) return undefined;
  const origin = eventRow(event({ reservationId: null, remaining: [] }), new Date());
  return (outcome) => {
    const { target_id, details } = eventRow(event(outcome), new Date());
    return { ...origin, target_id, details };
  };
}

/** What one transaction gathers, to be written in one statement. */
interface Gathered {
  entries: Entry[];
  reservations: Reservation[];
  events: EventRow[];
  soft: Set<Counter>;
  exceeded: Set<Counter>;
}

async function reserveAll(
  { postgres, now }: ReservingDeps,
  asking: readonly Asking[],
): Promise<readonly Outcome[]> {
  const nothingToWrite = new Error('nothing to write');
  let outcomes: Outcome[] = [];
  try {
    await postgres.transaction(async (trx) => {
      const gathered: Gathered = {
        entries: [],
        reservations: [],
        events: [],
        soft: new Set(),
        exceeded: new Set(),
      };
      outcomes = await decideAll(trx, asking, gathered, now());
      const { entries, events, soft, exceeded } = gathered;
      // Made windows that nobody counted on are not kept, and a flood of refusals costs no write.
      if (entries.length === 0 && events.length === 0 && exceeded.size === 0) throw nothingToWrite;
      for (const counter of soft) gathered.events.push(told('budget.soft-limit-reached', counter));
      for (const counter of exceeded) gathered.events.push(told('budget.exceeded', counter));
      await mark(trx, 'soft_reached_at', [...soft]);
      await mark(trx, 'exceeded_at', [...exceeded]);
      await write(trx, gathered, now());
    });
  } catch (error) {
    if (error !== nothingToWrite) throw error;
  }
  return outcomes;
}

const told = (type: Parameters<typeof budgetEvent>[0], counter: Counter) =>
  eventRow(budgetEvent(type, stateOf(counter)), new Date());

async function decideAll(
  trx: Db,
  asking: readonly Asking[],
  gathered: Gathered,
  at: Date | null,
): Promise<Outcome[]> {
  const requests = asking.map(({ request }) => request);
  const scopes = requests.flatMap((request) => request.scopes);
  const meters = [...new Set(requests.flatMap(({ amounts }) => Object.keys(amounts)))];
  const { counters, lapsed } = await openCounters(trx, { scopes, meters }, at);
  const found = byScope(counters);
  return asking.map((one) => {
    const outcome = decide(one.request, found, gathered, lapsed);
    if ('remaining' in outcome && one.row !== undefined) gathered.events.push(one.row(outcome));
    return outcome;
  });
}

function decide(
  request: Request,
  counters: ReadonlyMap<string, readonly Counter[]>,
  gathered: Gathered,
  lapsed: boolean,
): Outcome {
  const held = request.expiresInSeconds !== null;
  const admission = admit(request, counters, held ? 'reserved' : 'used');
  if ('tooLarge' in admission) return admission;
  const { concerned } = admission;
  if ('exceeded' in admission) {
    // What is given back in a moment is not used up yet.
    if (!lapsed) noteExceeded(concerned, gathered);
    const budgetIds = lapsed ? concerned.map(({ budgetId }) => budgetId) : [];
    return { exceeded: stateOf(admission.exceeded), lapsed: budgetIds };
  }
  for (const counter of concerned) {
    if (counter.softReached || !isOverSoftLimit(counter)) continue;
    counter.softReached = true;
    gathered.soft.add(counter);
  }
  const reservationId = held && concerned.length > 0 ? newId('rsv') : null;
  enter(request, concerned, reservationId, gathered);
  return { reservationId, remaining: concerned.map(stateOf) };
}

function noteExceeded(counters: readonly Counter[], gathered: Gathered): void {
  for (const counter of counters) {
    if (counter.exceeded) continue;
    counter.exceeded = true;
    gathered.exceeded.add(counter);
  }
}

function enter(
  request: Request,
  concerned: readonly Counter[],
  reservationId: ReservationId | null,
  gathered: Gathered,
): void {
  const holds = concerned.map((counter) => {
    const amount = request.amounts[counter.meter] ?? 0n;
    gathered.entries.push({
      kind: reservationId === null ? 'spend' : 'reserve',
      counter,
      reservationId,
      used: reservationId === null ? amount : 0n,
      reserved: reservationId === null ? 0n : amount,
    });
    const windowStart = counter.windowStart.toISOString();
    return { budgetId: counter.budgetId, windowStart, meter: counter.meter, amount: String(amount) };
  });
  if (reservationId === null) return;
  const amounts = Object.entries(request.amounts).map(([meter, amount]) => [meter, String(amount)]);
  gathered.reservations.push({
    id: reservationId,
    organizationId: request.heldIn,
    amounts: Object.fromEntries(amounts),
    holds,
    usedBy: request.usedBy,
    expiresInSeconds: request.expiresInSeconds ?? 0,
  });
}
