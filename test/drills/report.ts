// A result as lines for people, and as a row of the table in docs/operations/drills.md.
import type { Result } from './drill.ts';

export function printed(result: Result): string {
  const { answered } = result;
  const lines = [
    `${result.title} (${result.id})`,
    `  answered: ${answered.ok} ok, ${answered.refused} refused with Retry-After, ${answered.anew} to begin again, ${answered.error} errors, of ${result.acts}`,
    ...result.kinds.slice(0, 12).map((kind) => `    ${kind}`),
    `  longest answer: ${seconds(result.worst)}, before the fault ${seconds(result.worstBefore)}`,
    `  lost: ${result.lost.length} of ${result.truths}`,
    ...grouped(result.lost).map((one) => `    ${one}`),
    `  used twice: ${result.twice.length} of ${result.tried} (${result.usedOnce} used once)`,
    ...result.twice.map((one) => `    ${one}`),
    `  sign-ins to repeat since an answer never came: ${result.doubts}`,
    `  good tokens called bad for a while: ${result.denied}`,
    `  well again after ${seconds(result.wellAfterMilliseconds)}`,
    ...result.notes.map((note) => `  ${note}`),
  ];
  return `${lines.join('\n')}\n| ${row(result).join(' | ')} |\n`;
}

export const heads = [
  'Fault',
  'Answered',
  'Refused (503, `Retry-After`)',
  'To begin again',
  'Errors',
  'Longest answer',
  'Lost',
  'Used twice',
  'Well again after',
] as const;

export function row(result: Result): string[] {
  const { answered } = result;
  return [
    result.title,
    String(answered.ok),
    String(answered.refused),
    String(answered.anew),
    String(answered.error),
    seconds(result.worst),
    `${result.lost.length} of ${result.truths}`,
    `${result.twice.length} of ${result.tried}`,
    seconds(result.wellAfterMilliseconds),
  ];
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;

function grouped(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].slice(0, 10).map(([line, count]) => `${count} × ${line}`);
}
