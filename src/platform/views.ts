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
type Include = (name: string, locals?: object) => string;

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
    const template = compile(file, include);
    templates.set(name, template);
    return template;
  };
  const include: Include = (name, locals = {}) => load(name.replace(/^\//, ''))(locals);
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

/**
 * `include('/partials/x')` looks through the same folders, so an overridden partial is used by shipped pages as well. Ours in
 * place of that of EJS, which looks for the file and copies everything twice, each time: a page has a hundred of them.
 */
function compile(filename: string, load: Include): Template {
  const template = ejs.compile(readFileSync(filename, 'utf8'), { filename, ...PLAIN });
  return (given) => {
    const locals = { __proto__: null, ...given };
    // Templates are read `with` their locals: this is the one that they call.
    const include: Include = (name, more) => load(name, { ...locals, ...more });
    return template(Object.assign(locals, { include }));
  };
}

/** What they are given has no prototype, and need not be copied for that. */
const PLAIN = { unsafePrototypeLocals: true };

function findFile(directories: readonly string[], name: string): string | undefined {
  if (!VIEW_NAME.test(name)) return undefined;
  return directories.map((directory) => join(directory, `${name}.ejs`)).find((path) => existsSync(path));
}
