// The report of an import: a JSON line for each record, in their order. It is also what an interrupted one resumes from:
// the lines of a batch are on disk before it is committed, so all but the last batch are known to have happened.
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { UsageMistake } from '../platform/command.ts';
import type { Outcome } from './schema.ts';

export interface Report {
  /** How many records it already tells of, and how they ended. */
  readonly before: Record<Outcome['result'], number>;
  append(outcomes: readonly Outcome[]): Promise<void>;
  /** Takes back what was appended last, unless `keep` was called since. */
  takeBack(): Promise<void>;
  keep(): void;
  close(): Promise<void>;
}

interface Header {
  import: { fingerprint: string; startedAt: string };
}

/** Which of these accounts there are. */
export type Existing = (ids: readonly string[]) => Promise<ReadonlySet<string>>;

/** Throws a UsageMistake when there is a report already. */
export async function beginReport(path: string, header: Header): Promise<Report> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new UsageMistake(`${path} is there already: go on with --resume, or name another --report.`);
  });
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  await file.write(line, 0, line.length, 0);
  return reportIn(file, line.length, { created: 0, present: 0, refused: 0 });
}

/** Cuts off what the last run was about to do when it ended. Throws a UsageMistake for a report of another file. */
export async function resumeReport(
  path: string,
  { fingerprint, batch, existing }: { fingerprint: string; batch: number; existing: Existing },
): Promise<Report> {
  const { header, counts, last, size } = await readReport(path, batch).catch((error: unknown) => {
    throw error instanceof UsageMistake
      ? error
      : new UsageMistake(`There is no report to resume at ${path}.`);
  });
  if (header?.import?.fingerprint !== fingerprint) {
    throw new UsageMistake(`${path} is the report of another file.`);
  }
  const created = last.flatMap(({ outcome }) => (outcome.result === 'created' ? [outcome.id] : []));
  const there = await existing(created);
  const from = last.findIndex(({ outcome }) => outcome.result === 'created' && !there.has(outcome.id));
  const undone = from < 0 ? [] : last.slice(from);
  for (const { outcome } of undone) counts[outcome.result] -= 1;
  const end = undone[0]?.offset ?? size;
  const file = await open(path, 'r+');
  await file.truncate(end);
  return reportIn(file, end, counts);
}

interface Told {
  outcome: Outcome;
  offset: number;
}

async function readReport(path: string, batch: number) {
  const counts = { created: 0, present: 0, refused: 0 };
  let header: Header | undefined;
  let last: Told[] = [];
  let size = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const value = objectIn(line);
    // Torn when the machine went down: it is looked at again.
    if (value === undefined) break;
    if (header === undefined)
      header = value as Header; // its fingerprint is compared before anything is believed
    else {
      const outcome = value as Outcome; // written by `append`
      counts[outcome.result] += 1;
      last.push({ outcome, offset: size });
      if (last.length > 2 * batch) last = last.slice(-batch);
    }
    size += Buffer.byteLength(line) + 1;
  }
  // Without the end of its line, it was not all written: what it tells of has not happened.
  const torn = size > (await stat(path)).size ? last.pop() : undefined;
  if (torn !== undefined) counts[torn.outcome.result] -= 1;
  return { header, counts, last: last.slice(-batch), size: torn?.offset ?? size };
}

function objectIn(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function reportIn(file: FileHandle, start: number, before: Report['before']): Report {
  let kept = start;
  let end = start;
  return {
    before,
    async append(outcomes) {
      const bytes = Buffer.from(outcomes.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
      await file.write(bytes, 0, bytes.length, end);
      await file.datasync();
      end += bytes.length;
    },
    async takeBack() {
      if (end === kept) return;
      await file.truncate(kept);
      end = kept;
    },
    keep() {
      kept = end;
    },
    close: () => file.close(),
  };
}
