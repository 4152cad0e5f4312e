// Writes, beside each example, how it differs from the base of its folder; with --check it only says which are stale.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLES = join(import.meta.dirname, '..', 'examples');
const CONTEXT = 2;
/** base.ts of each folder, and what differs from it in one feature. */
const features = {
  'code-flow': ['par', 'dpop', 'refresh', 'logout', 'device'],
  machine: ['private-key-jwt', 'introspection'],
} as const;

interface DiffFile {
  readonly path: string;
  readonly text: string;
}

export function exampleDiffs(): DiffFile[] {
  return Object.entries(features).flatMap(([folder, names]) =>
    names.map((name) => ({
      path: `${folder}/${name}.diff`,
      text: unifiedDiff(`${folder}/base.ts`, `${folder}/${name}.ts`),
    })),
  );
}

/** The diffs whose text on disk is not the difference between the files. */
export function staleDiffs(): string[] {
  const onDisk = new Set(readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }));
  return exampleDiffs()
    .filter(({ path, text }) => !onDisk.has(path) || read(path) !== text)
    .map(({ path }) => path);
}

type Line = { sign: ' ' | '-' | '+'; text: string };

function unifiedDiff(from: string, to: string): string {
  const lines = compare(read(from).trimEnd().split('\n'), read(to).trimEnd().split('\n'));
  const near = lines.map((_line, at) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== ' '),
  );
  const shown: string[] = [`--- ${from}`, `+++ ${to}`];
  const at = { old: 1, new: 1 };
  lines.forEach(({ sign, text }, index) => {
    if (near[index] && !near[index - 1]) shown.push(hunkHead(lines, near, index, at));
    if (near[index]) shown.push(`${sign}${text}`);
    if (sign !== '+') at.old += 1;
    if (sign !== '-') at.new += 1;
  });
  return `${shown.join('\n')}\n`;
}

function hunkHead(lines: Line[], near: boolean[], start: number, at: { old: number; new: number }): string {
  const end = near.indexOf(false, start);
  const hunk = lines.slice(start, end < 0 ? undefined : end);
  const count = (without: '+' | '-') => hunk.filter(({ sign }) => sign !== without).length;
  return `@@ -${at.old},${count('+')} +${at.new},${count('-')} @@`;
}

/** The longest common subsequence, by the table of the text books: these files are short. */
function compare(left: readonly string[], right: readonly string[]): Line[] {
  const common = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  const length = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = left.length - 1; i >= 0; i -= 1) {
    const row = common[i] ?? [];
    for (let j = right.length - 1; j >= 0; j -= 1) {
      row[j] = left[i] === right[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [old, text] = [left[i], right[j]];
    if (old !== undefined && old === text) {
      lines.push({ sign: ' ', text: old });
      i += 1;
      j += 1;
    } else if (old !== undefined && (text === undefined || length(i + 1, j) >= length(i, j + 1))) {
      lines.push({ sign: '-', text: old });
      i += 1;
    } else {
      lines.push({ sign: '+', text: text ?? '' });
      j += 1;
    }
  }
  return lines;
}

function read(path: string): string {
  return readFileSync(join(EXAMPLES, path), 'utf8');
}

if (import.meta.main) {
  const check = process.argv.includes('--check');
  for (const path of check ? staleDiffs() : []) {
    console.error(`examples/${path} is stale: run \`npx node scripts/example-diffs.ts\``);
    process.exitCode = 1;
  }
  if (!check) for (const { path, text } of exampleDiffs()) writeFileSync(join(EXAMPLES, path), text);
}
