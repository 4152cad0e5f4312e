// The tables of docs/authentication-standards.md: every line that there has to be, each shown by a test that exists; and
// the documents that the standards ask for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { methods, strengths } from '../src/lib/strength.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** How many requirements each section of ASVS 5.0 has (OWASP ASVS 5.0.0, V6 and V7). */
const sections: Readonly<Record<string, number>> = {
  ...{ '6.1': 3, '6.2': 12, '6.3': 8, '6.4': 6, '6.5': 8, '6.6': 4, '6.7': 2, '6.8': 4 },
  ...{ '7.1': 3, '7.2': 4, '7.3': 2, '7.4': 5, '7.5': 3, '7.6': 2 },
};
const asvs = Object.entries(sections).flatMap(([section, count]) =>
  Array.from({ length: count }, (_none, index) => `${section}.${index + 1}`),
);
const nist = [1, 2, 3, 4, 5, 9, 13, 14, 15]
  .map((line) => `N${line}`)
  .concat([6, 7, 8, 10, 11, 12, 16, 17].map((line) => `NIST${line}`));

interface Line {
  readonly id: string;
  readonly met: string;
  readonly how: string;
  readonly shown: readonly { readonly file: string; readonly name: string }[];
}

function linesOf(markdown: string): Line[] {
  return markdown
    .split('\n')
    .filter((line) => /^\| (?:[67]\.\d+\.\d+|N\d+|NIST\d+) /.test(line))
    .map((line) => {
      const cells = line.slice(1, -1).split(' | ');
      const [id = '', ...rest] = cells.map((cell) => cell.trim());
      const [met = '', , how = '', shown = ''] = /^\d$/.test(rest[0] ?? '') ? rest.slice(1) : rest;
      return { id, met, how, shown: testsIn(shown) };
    });
}

/** "`test/a.test.ts`: *one*; *two*; `test/b.test.ts`: *three*" */
function testsIn(cell: string): Line['shown'] {
  return [...cell.matchAll(/`(test\/[^`]+)`: ((?:\*[^*]+\*(?:; )?)+)/g)].flatMap(
    ([, file = '', names = '']) =>
      [...names.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => ({ file, name })),
  );
}

const lines = linesOf(read('docs/authentication-standards.md'));

describe('the table of standards', () => {
  it('has each requirement once', () => {
    expect(lines.map(({ id }) => id)).toEqual([...asvs, ...[...nist].sort(byNumber)]);
  });

  it.each(lines.map((line) => [line.id, line] as const))(
    'tells of %s whether and how it is met',
    (_id, line) => {
      expect(['yes', 'setting', 'partly', 'no', 'none']).toContain(line.met);
      expect(line.how).not.toBe('');
      if (line.met !== 'none') expect(line.shown).not.toEqual([]);
      for (const { file, name } of line.shown)
        expect(hasTest(read(file), name), `${file}: ${name}`).toBe(true);
    },
  );

  it('names only settings that there are', () => {
    const settings = read('docs/configuration.md');
    const named = lines.flatMap(({ how }) => [...how.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(\*?)[`=]/g)]);
    for (const [, name, star] of named) expect(settings).toContain(star ? `\`${name}` : `\`${name}\``);
  });
});

const byNumber = (one: string, other: string): number =>
  Number(one.replace(/\D/g, '')) - Number(other.replace(/\D/g, ''));

/** As the name of a test in the file, in whatever quotes it stands. */
function hasTest(source: string, name: string): boolean {
  return [`'${name}'`, `\`${name}\``, `"${name}"`].some((text) => source.includes(text));
}

describe('the documentation', () => {
  it('says how guessing is slowed down, and how owners are not locked out (6.1.1)', () => {
    const text = read('docs/sign-in-protection.md');
    for (const setting of settingsLike(/^(LOCKOUT_|LIMIT_SIGN_IN)/)) expect(text).toContain(`\`${setting}\``);
    for (const heading of ['## The three levels', '## Keeping the owner in']) expect(text).toContain(heading);
  });

  it('names every way of proving oneself, with its strength (6.1.3)', () => {
    const [, text = ''] = read('docs/assurance.md').split('## Every way in');
    const [ways = ''] = text.split('\n## ');
    for (const method of methods) expect(ways).toContain(`\`${method}\``);
    for (const strength of strengths) expect(ways).toContain(`\`${strength}\``);
  });

  it('says how long sessions last, how many there may be, and what of them apps hold (7.1)', () => {
    const text = read('docs/sessions.md');
    for (const setting of settingsLike(/^SESSION_/)) expect(text).toContain(`\`${setting}\``);
    for (const words of ['| Idle |', '| Absolute |', '| How many |', '## What apps hold of a session']) {
      expect(text).toContain(words);
    }
  });
});

function settingsLike(pattern: RegExp): string[] {
  const names = [...read('docs/configuration.md').matchAll(/^\| `([A-Z_0-9]+)` /gm)].map(
    ([, name = '']) => name,
  );
  const found = names.filter((name) => pattern.test(name));
  expect(found.length).toBeGreaterThan(1);
  return found;
}

describe('the source', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );

  it('makes no code, seed or token with Math.random (6.5.3, 7.2.3)', () => {
    const secretMakers = files.filter((path) =>
      /^(credentials|verification|recovery|registration|self-service|interaction|setup|platform\/secrets|platform\/http)\//.test(
        path,
      ),
    );
    expect(secretMakers.length).toBeGreaterThan(50);
    expect(secretMakers.filter((path) => read(`src/${path}`).includes('Math.random'))).toEqual([]);
  });

  it('knows no hints and no secret questions (6.4.2, N5)', () => {
    const places = [read('migrations/schema.sql'), read('views/messages/en.json')];
    for (const text of places)
      expect(text).not.toMatch(/(password|secret|security)[ _-]?(hint|question)|maiden/i);
  });
});
