// Static assets: read once, named by the hash of their content, cached by browsers for ever.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import type { Middleware } from 'koa';
import { failure } from '../errors.ts';
import { requestOf } from './request-id.ts';
import type { Site } from './site.ts';

export interface Assets {
  /** The address of an asset by its file name: `app.css` → `/assets/app.3f2a….css`. Throws for an unknown name. */
  url(name: string): string;
  middleware: Middleware;
}

interface Asset {
  content: Buffer;
  type: string;
  etag: string;
}

const ROOT = '/assets/';
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** `directories`: the shipped one first; a file of the same name in a later one replaces it. */
export function createAssets(deps: { site: Site; directories: readonly string[] }): Assets {
  const files = readFiles(deps.directories);
  const root = `${deps.site.basePath}${ROOT}`;
  const urls = new Map<string, string>();
  const assets = new Map<string, Asset>();
  const publish = (name: string, content: Buffer) => {
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
    const extension = extname(name);
    const url = `${root}${name.slice(0, name.length - extension.length)}.${hash}${extension}`;
    urls.set(name, url);
    assets.set(url, { content, type: TYPES[extension] ?? 'application/octet-stream', etag: `"${hash}"` });
  };
  // Style sheets last: the addresses of what they refer to must be known, and count for their own hash.
  for (const [name, content] of files) if (!name.endsWith('.css')) publish(name, content);
  for (const [name, content] of files)
    if (name.endsWith('.css')) publish(name, withUrls(lighter(content), urls));
  return {
    url: (name) => {
      const url = urls.get(name);
      if (url === undefined) throw new Error(`There is no asset ${name}`);
      return url;
    },
    middleware: serve(root, assets),
  };
}

function serve(root: string, assets: ReadonlyMap<string, Asset>): Middleware {
  return (ctx, next) => {
    if (!ctx.path.startsWith(root)) return next();
    requestOf(ctx).route = `${ROOT}:file`;
    const asset = assets.get(ctx.path);
    if (asset === undefined) throw failure('not_found');
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.res.setHeader('Allow', 'GET, HEAD');
      throw failure('method_not_allowed');
    }
    ctx.res.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
    // An SVG opened by itself is a document: it may not run or load anything.
    ctx.res.setHeader('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    ctx.res.setHeader('ETag', asset.etag);
    ctx.type = asset.type;
    ctx.status = 200;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.body = asset.content;
    return;
  };
}

function readFiles(directories: readonly string[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const directory of directories) {
    if (!existsSync(directory)) continue;
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.startsWith('.')) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(directory.length).split(sep).filter(Boolean).join('/'), readFileSync(path));
    }
  }
  return files;
}

/** Without comments that stand alone, indentation, and ends of lines that separate nothing: an eighth of each style sheet. */
function lighter(css: Buffer): Buffer {
  const text = css
    .toString('utf8')
    .replace(/^[ \t]*\/\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*$/gm, '')
    .replace(/^[ \t]+/gm, '')
    .replace(/([{};,]?)\n+/g, (_all, before: string) => before || '\n')
    .replace(/^\n/, '');
  return Buffer.from(text, 'utf8');
}

/** `url(font.woff2)` in a style sheet becomes the hashed address; addresses of anything else stay. */
function withUrls(css: Buffer, urls: ReadonlyMap<string, string>): Buffer {
  const text = css
    .toString('utf8')
    .replace(/url\(\s*(["']?)([^"')]+)\1\s*\)/g, (all, quote: string, name: string) => {
      const url = urls.get(name.replace(/^\.\//, ''));
      return url === undefined ? all : `url(${quote}${url}${quote})`;
    });
  return Buffer.from(text, 'utf8');
}
