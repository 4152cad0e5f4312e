// gatehouse access resource …: register, list and remove what decisions are asked about.
import type { NewResource, RegisteredResource, Resources } from '../access/access.ts';
import { type Organizations, organizationNamed } from '../organizations/organizations.ts';
import {
  type Command,
  type CommandOption,
  type CommandResult,
  confirmed,
  type Options,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';

interface Services {
  resources: Resources;
  organizations: Organizations;
}

const DEFAULT_LIMIT = 50;
const PER_STEP = 1_000;
const type = { name: 'type', summary: "What it is: 'todo'. Permissions name it." };
const id = { name: 'id', summary: 'Its id; no other of the type has it.' };
const organization: CommandOption = {
  name: 'organization',
  value: 'id',
  summary: 'The organization it belongs to, by id or slug; known everywhere without it.',
};

export const commands: Command<Services>[] = [
  {
    name: 'access resource set',
    summary: 'Register a resource, or give it these properties in place of those that it has.',
    arguments: [type, id],
    options: [
      {
        name: 'property',
        value: 'name=text',
        repeat: true,
        summary: "A property with a text: 'owner=anna@example.com'.",
      },
      { name: 'properties', value: 'json', summary: 'All of them, as a JSON object.' },
      organization,
    ],
    async run({ services, args, options, by }) {
      const name = { ...nameOf(args), organizationId: await organizationId(services, options) };
      return shown(await services.resources.put(name, { properties: propertiesOf(options) }, by));
    },
  },
  {
    name: 'access resource import',
    summary: 'Register many: standard input has one JSON object on each line, with type, id and properties.',
    options: [organization],
    async run({ services, options, io, by }) {
      const where = await organizationId(services, options);
      const given = (await io.readStdin()).split('\n').flatMap(resourceOf);
      const total = { made: 0, changed: 0, unchanged: 0 };
      for (let at = 0; at < given.length; at += PER_STEP) {
        const counts = await services.resources.putMany(where, given.slice(at, at + PER_STEP), by);
        total.made += counts.made;
        total.changed += counts.changed;
        total.unchanged += counts.unchanged;
      }
      return {
        json: total,
        text: `Registered ${total.made}, changed ${total.changed}, left ${total.unchanged} as they are.`,
      };
    },
  },
  {
    name: 'access resource list',
    summary: 'Show registered resources, by type and id.',
    options: [
      { name: 'type', value: 'type', summary: 'Only those of this type.' },
      organization,
      { name: 'limit', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options }) {
      const filter = {
        organizationId: await organizationId(services, options),
        type: options.text('type'),
      };
      const page = await services.resources.list(filter, {
        limit: options.number('limit') ?? DEFAULT_LIMIT,
        cursor: options.text('cursor') ?? null,
      });
      return {
        json: page,
        text: {
          columns: ['type', 'id', 'properties'],
          rows: page.items.map((one) => [one.type, one.id, JSON.stringify(one.properties)]),
          empty: 'No resources.',
        },
      };
    },
  },
  {
    name: 'access resource remove',
    summary: 'Forget a resource and its properties.',
    arguments: [type, id],
    options: [organization, yes],
    async run({ services, args, options, io, by }) {
      const name = { ...nameOf(args), organizationId: await organizationId(services, options) };
      const what = `${name.type}:${name.id}`;
      if (!(await confirmed({ options, io }, `Forget the resource ${what}?`))) return undefined;
      await services.resources.remove(name, by);
      return { json: { removed: what }, text: `Removed ${what}.` };
    },
  },
];

function nameOf(args: { text(name: string): string }) {
  return { type: args.text('type'), id: args.text('id') };
}

async function organizationId(services: Services, options: Options): Promise<string | null> {
  const named = options.text('organization');
  return named === undefined ? null : (await organizationNamed(services.organizations, named)).id;
}

function propertiesOf(options: Options): Record<string, unknown> {
  const properties = options.text('properties');
  const texts = options.list('property').map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageMistake("--property takes a name and a text: 'owner=anna@example.com'.");
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const whole = properties === undefined ? {} : objectOf(properties);
  if (whole === undefined) throw new UsageMistake('--properties takes a JSON object: \'{"owner":"anna"}\'.');
  return { ...whole, ...Object.fromEntries(texts) };
}

function resourceOf(line: string, at: number): NewResource[] {
  if (line.trim() === '') return [];
  const given = objectOf(line);
  if (given === undefined)
    throw failure('resource_invalid', { fields: { [`line ${at + 1}`]: 'is no JSON object' } });
  // `as`: the face checks every field.
  return [given as NewResource];
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function shown(resource: RegisteredResource): CommandResult {
  return {
    json: resource,
    text: [
      `type           ${resource.type}`,
      `id             ${resource.id}`,
      `organization   ${resource.organizationId ?? '-'}`,
      `properties     ${JSON.stringify(resource.properties)}`,
    ],
  };
}
