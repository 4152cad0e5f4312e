// What each statement of a server takes: PostgreSQL explains them all into its log, which is read between two moments.
import { open, stat } from 'node:fs/promises';
import type { Client } from 'pg';

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: Node[];
}

export interface Statement {
  text: string;
  /** How often it was seen. */
  calls: number;
  /** The shortest: on a busy machine the others are those of waiting. */
  milliseconds: number;
  /** Pages of 8 KiB that were looked at, on average: the same on a busy machine. */
  pages: number;
  /** Of the time with the most pages. */
  plan: Node;
}

/** For the connections that are made from now on; `client`: of a superuser. */
export async function explainAll(client: Client, database: string): Promise<void> {
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_buffers': 'on',
    'auto_explain.log_timing': 'off',
    'auto_explain.log_format': 'json',
    'auto_explain.log_parameter_max_length': '0',
  };
  for (const [name, value] of Object.entries(settings)) {
    await client.query(`alter database ${database} set ${name} = '${value}'`);
  }
}

export async function statementsDuring(
  log: string,
  run: () => Promise<void>,
): Promise<Map<string, Statement>> {
  const { size: begin } = await stat(log);
  await run();
  const { size: end } = await stat(log);
  const file = await open(log);
  const { buffer } = await file.read(Buffer.alloc(end - begin), 0, end - begin, begin);
  await file.close();
  const found = new Map<string, Statement>();
  for (const [, duration, json = ''] of buffer
    .toString()
    .matchAll(/duration: ([\d.]+) ms {2}plan:\n((?:\t.*\n)+)/g)) {
    const { 'Query Text': text, Plan: plan } = JSON.parse(json.replaceAll(/^\t/gm, ''));
    const before = found.get(text) ?? { calls: 0, milliseconds: Infinity, pages: 0, plan };
    const calls = before.calls + 1;
    found.set(text, {
      text,
      calls,
      milliseconds: Math.min(before.milliseconds, Number(duration)),
      pages: before.pages + (pagesOf(plan) - before.pages) / calls,
      plan: pagesOf(plan) > pagesOf(before.plan) ? plan : before.plan,
    });
  }
  return found;
}

function pagesOf(plan: Node): number {
  return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
}

export function planText(plan: Node, depth = 0): string {
  const on = plan['Relation Name'] === undefined ? '' : ` on ${plan['Relation Name']}`;
  const by = plan['Index Name'] === undefined ? '' : ` by ${plan['Index Name']}`;
  const line = `${'  '.repeat(depth)}${plan['Node Type']}${on}${by}: ${plan['Actual Rows'] ?? 0} rows, ${pagesOf(plan)} pages`;
  // Of the partitions of a year one is like the other, and most are never looked into.
  const looked = (plan.Plans ?? []).filter((one) => pagesOf(one) > 0);
  return [line, ...looked.map((one) => planText(one, depth + 1))].join('\n');
}
