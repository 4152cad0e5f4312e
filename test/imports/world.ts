// Imports as the server wires them, on a test database, from texts in place of files.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { ImportInput } from '../../src/imports/imports.ts';
import { sourceOf } from '../../src/imports/source.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

export const BCRYPT = '$2b$04$Yn9BF0/yJL2gtb0Wc4d.4uxKr24CFKiBtfKEMm7rCkMMZ5CUgK6dS';
/** What BCRYPT is a hash of. */
export const BCRYPT_PASSWORD = 'violet umbrella 5 ü';

type More = Partial<Omit<ImportInput, 'source' | 'columns' | 'rules'>> & {
  rules?: Partial<ImportInput['rules']>;
  columns?: Record<string, string>;
};

export function useImports() {
  const gatehouse = useGatehouse();
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-import-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let count = 0;

  async function* pieces(text: string | Buffer, size: number) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  return {
    gatehouse,
    newReport: () => {
      count += 1;
      return join(directory, `report-${count}.jsonl`);
    },
    async run(text: string | Buffer, { rules, columns, ...more }: More = {}, pieceSize = 1000) {
      const input: ImportInput = {
        source: await sourceOf(pieces(text, pieceSize)),
        columns: { renamed: new Map(Object.entries(columns ?? {})) },
        rules: { allowPlain: false, allowAdmins: false, requirePasswordChange: false, ...rules },
        resume: false,
        dryRun: false,
        ...more,
      };
      return gatehouse.services.imports.run(input, operator);
    },
    linesOf: (report: string) =>
      readFileSync(report, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => JSON.parse(line)),
  };
}
