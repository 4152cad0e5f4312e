// Usage as CSV (RFC 4180), line by line.
import type { UsageRow } from './schema.ts';

const COLUMNS = ['period', 'subject_kind', 'subject_id', 'organization_id', 'kind', 'meter', 'amount'];

export async function* csvOf(rows: AsyncIterable<UsageRow>): AsyncGenerator<string> {
  yield lineOf(COLUMNS);
  for await (const row of rows) {
    yield lineOf([
      row.period.toISOString(),
      row.subjectKind,
      row.subjectId,
      row.organizationId ?? '',
      row.kind,
      row.meter,
      String(row.amount),
    ]);
  }
}

const lineOf = (cells: readonly string[]) => `${cells.map(cellOf).join(',')}\r\n`;

/** Quoted where it must be; what a spreadsheet would take for a formula is given a quote in front, as OWASP advises. */
function cellOf(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
