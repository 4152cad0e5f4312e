// One drill: load, a fault in the middle of it, and what is true afterwards.
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Cast } from './cast.ts';
import { type Scene, startLoad } from './load.ts';
import { useOneOfEach } from './once.ts';
import { type Act, createRecorder, type Outcome } from './record.ts';
import { createTruth } from './truth.ts';
import { verify } from './verify.ts';
import type { World } from './world.ts';

export interface Fault {
  readonly id: string;
  readonly title: string;
  /** Nothing breaks: every request must be answered as asked. */
  readonly planned?: true;
  /** Why it cannot be done here. */
  unable?(world: World): string | undefined;
  /** Breaks something and mends it. `mended` is called when what remains is the servers' own part. */
  run(scene: Scene, mended: () => void): Promise<readonly string[]>;
  /** When the load is over, before it is examined what is true. */
  after?(scene: Scene): Promise<readonly string[]>;
}

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly planned: boolean;
  readonly acts: number;
  readonly answered: Readonly<Record<Outcome, number>>;
  readonly kinds: readonly string[];
  /** Whatever was not answered as asked; `at` counts from the fault. */
  readonly bad: readonly Act[];
  readonly worstBefore: number;
  readonly worst: number;
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  readonly usedOnce: number;
  readonly tried: number;
  readonly doubts: number;
  readonly denied: number;
  readonly truths: number;
  /** From the mending to the last answer that was not right, and until both nodes say that all is well. */
  readonly wellAfterMilliseconds: number;
  readonly notes: readonly string[];
}

export interface Pace {
  readonly beforeMilliseconds: number;
  readonly afterMilliseconds: number;
}

export async function runDrill(world: World, cast: Cast, fault: Fault, pace: Pace): Promise<Result> {
  const scene: Scene = { world, cast, recorder: createRecorder(), truth: createTruth() };
  await forgetTypedCodes(world);
  const load = startLoad(scene);
  const doubles = startDoubles(scene);
  await delay(pace.beforeMilliseconds);
  const begun = performance.now();
  let mendedAt = begun;
  const notes = await fault.run(scene, () => {
    mendedAt = performance.now();
  });
  const readyAt = await untilReady(world);
  await delay(pace.afterMilliseconds);
  await Promise.all([load.stop(), doubles.stop()]);
  const acts = [...scene.recorder.acts];
  const more = (await fault.after?.(scene)) ?? [];
  await verify(scene);
  const lastBad = Math.max(mendedAt, ...acts.filter(isBad).map(({ at, milliseconds }) => at + milliseconds));
  const { truth } = scene;
  const tried = truth.onces.length;
  return {
    id: fault.id,
    title: fault.title,
    planned: fault.planned ?? false,
    acts: acts.length,
    answered: countOutcomes(acts),
    bad: acts.filter(isBad).map((act) => ({ ...act, at: act.at - begun })),
    kinds: kindsOf(acts.filter(isBad)),
    worstBefore: worst(acts.filter(({ at, milliseconds }) => at + milliseconds < begun)),
    worst: worst(acts.filter(({ at, milliseconds }) => at + milliseconds >= begun)),
    lost: truth.lost,
    twice: truth.onces
      .filter(({ successes }) => successes > 1)
      .map(({ kind, successes }) => `${kind}: ${successes}`),
    usedOnce: truth.onces.filter(({ successes }) => successes === 1).length,
    tried,
    doubts: truth.doubts,
    truths:
      truth.chains.length +
      truth.opaque.length +
      truth.jwts.length +
      truth.sessions.length +
      truth.ended.length,
    wellAfterMilliseconds: Math.max(lastBad, readyAt) - mendedAt,
    notes: [...notes, ...more],
    denied: truth.denied,
  };
}

/** Sixty in a quarter of an hour are all that one address may type, and here everybody has the same. */
async function forgetTypedCodes({ postgres }: World): Promise<void> {
  const database = new Client({ connectionString: postgres.url() });
  await database.connect();
  await database.query('delete from device_code_guesses');
  await database.end();
}

function startDoubles(scene: Scene) {
  const doubles = { over: false };
  const busy = (async () => {
    while (!doubles.over) await useOneOfEach(scene).then(() => delay(200));
  })();
  return {
    async stop() {
      doubles.over = true;
      await busy;
    },
  };
}

/** Several times in a row at each node, since each answer comes from one of its workers. */
async function untilReady({ nodes }: World): Promise<number> {
  const deadline = performance.now() + 60_000;
  for (let inARow = 0; inARow < 4; inARow += 1) {
    const statuses = await Promise.all(nodes.map(({ origin }) => readiness(origin)));
    if (statuses.some((status) => status !== 'ready')) {
      inARow = -1;
      await delay(50);
    }
    if (performance.now() > deadline) throw new Error(`not well again after a minute: ${statuses}`);
  }
  return performance.now();
}

async function readiness(origin: string): Promise<string> {
  try {
    const response = await fetch(`${origin}/readyz`, { headers: { connection: 'close' } });
    return ((await response.json()) as { status: string }).status;
  } catch {
    return 'away';
  }
}

const isBad = ({ outcome }: Act) => outcome !== 'ok';
const worst = (acts: readonly Act[]) => Math.max(0, ...acts.map(({ milliseconds }) => milliseconds));

function countOutcomes(acts: readonly Act[]): Record<Outcome, number> {
  const counts = { ok: 0, refused: 0, anew: 0, error: 0 };
  for (const { outcome } of acts) counts[outcome] += 1;
  return counts;
}

/** `12 × refresh: 503 temporarily_unavailable`, the most frequent first. */
function kindsOf(acts: readonly Act[]): string[] {
  const counts = new Map<string, number>();
  for (const { what, detail, outcome } of acts) {
    const kind = `${what}, ${outcome}: ${detail}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].toSorted((one, other) => other[1] - one[1]).map(([kind, count]) => `${count} × ${kind}`);
}
