// EJS templates inside a layout, compiled once; a file in the operator's folder replaces the shipped one of its name.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs from 'ejs';

export interface Views {
  /**
   * The template of that name inside a layout, which gets the result as `body`. With `keptAs` the body is made once for
   * each such word; the layout around it is made every time.
   */
  render(name: string, locals: object, more?: { layout?: string; keptAs?: string | undefined }): string;
  /** The template alone, without a layout. */
  part(name: string, locals: object): string;
  has(name: string): boolean;
}

type Template = (locals: object) => string;

const LAYOUT = 'layouts/page';
// Names come from our own code; the pattern keeps it that nothing above the folders can ever be named.
const VIEW_NAME = /^[a-z0-9-]+(\/[a-z0-9-]+)*$/;

/** `directories`: the operator's first, the shipped one last. Compiled when first used, then kept. */
export function createViews(deps: { directories: readonly string[] }): Views {
  const directories = [...deps.directories];
  const templates = new Map<string, Template>();
  const kept = new Map<string, string>();
  const load = (name: string): Template => {
    const known = templates.get(name);
    if (known !== undefined) return known;
    const file = findFile(directories, name);
    if (file === undefined) throw new Error(`There is no view ${name}`);
    const template = compile(file, directories);
    templates.set(name, template);
    return template;
  };
  return {
    render: (name, locals, { layout = LAYOUT, keptAs } = {}) => {
      const key = keptAs && `${name} ${keptAs}`;
      const body = (key && kept.get(key)) ?? load(name)(locals);
      if (key) kept.set(key, body);
      return load(layout)({ ...locals, body });
    },
    part: (name, locals) => load(name)(locals),
    has: (name) => findFile(directories, name) !== undefined,
  };
}

/** `include('/partials/x')` looks through the same folders, so an overridden partial is used by shipped pages as well. */
function compile(filename: string, directories: string[]): Template {
  const text = readFileSync(filename, 'utf8');
  return ejs.compile(text, { filename, cache: true, root: directories, views: directories });
}

function findFile(directories: readonly string[], name: string): string | undefined {
  if (!VIEW_NAME.test(name)) return undefined;
  return directories.map((directory) => join(directory, `${name}.ejs`)).find((path) => existsSync(path));
}
