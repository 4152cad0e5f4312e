// The shapes of the OpenID AuthZEN Authorization API 1.0. Fields that are not known are ignored (§Transport, JSON Serialization).
import { z } from 'zod';

const MOST_EVALUATIONS = 1_000;
const text = z.string().max(1_024, 'must not be longer than 1024 characters');
const bag = z.record(z.string(), z.unknown());
const properties = bag.optional();

const Subject = z.looseObject({ type: text, id: text, properties });
const Resource = z.looseObject({ type: text, id: text, properties });
const Action = z.looseObject({ name: text, properties });
const context = bag.optional();

export const Evaluation = z.looseObject({ subject: Subject, action: Action, resource: Resource, context });
export type Evaluation = z.output<typeof Evaluation>;

export const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type Semantic = (typeof semantics)[number];

/** The entities of the top are looked at where an evaluation takes them over, and not before: `"resource": {}` is no mistake. */
export const Evaluations = z.looseObject({
  subject: bag.optional(),
  action: bag.optional(),
  resource: bag.optional(),
  context,
  evaluations: z
    .array(z.unknown())
    .max(MOST_EVALUATIONS, `must not be more than ${MOST_EVALUATIONS}`)
    .optional(),
  options: z.looseObject({ evaluations_semantic: z.enum(semantics).default('execute_all') }).optional(),
});
export type Evaluations = z.output<typeof Evaluations>;

const page = z
  .looseObject({
    token: z.string().max(4_096).optional(),
    limit: z.int().min(0).optional(),
    properties,
  })
  .optional();
export type PageAsked = z.output<typeof page>;

/** The id of what is searched for is ignored, whatever it is. */
const sought = z.looseObject({ type: text, properties });

export const SubjectSearch = z.looseObject({
  subject: sought,
  action: Action,
  resource: Resource,
  context,
  page,
});
export const ResourceSearch = z.looseObject({
  subject: Subject,
  action: Action,
  resource: sought,
  context,
  page,
});
export const ActionSearch = z.looseObject({ subject: Subject, resource: Resource, context, page });
export type SubjectSearch = z.output<typeof SubjectSearch>;
export type ResourceSearch = z.output<typeof ResourceSearch>;
export type ActionSearch = z.output<typeof ActionSearch>;

/** Code → sentence, for whoever runs the server and for whoever was refused. */
const reasons = z.record(z.string(), z.string());

export const DecisionAnswer = z.object({
  decision: z.boolean(),
  context: z
    .object({
      reason_admin: reasons.optional(),
      reason_user: reasons.optional(),
      error: z.object({ status: z.int(), message: z.string() }).optional(),
    })
    .optional(),
});
export type DecisionAnswer = z.output<typeof DecisionAnswer>;

export const EvaluationsAnswer = z.union([
  z.object({ evaluations: z.array(DecisionAnswer) }),
  DecisionAnswer,
]);
export type EvaluationsAnswer = z.output<typeof EvaluationsAnswer>;

/** `page` comes first: whoever reads a long answer as it arrives knows how much is to come. */
const found = <Item extends z.ZodType>(item: Item) =>
  z.object({ page: z.object({ next_token: z.string(), count: z.int() }), results: z.array(item) });

const entity = z.object({ type: z.string(), id: z.string() });
export const EntitiesFound = found(entity);
export type EntitiesFound = z.output<typeof EntitiesFound>;
export const ActionsFound = found(z.object({ name: z.string() }));
export type ActionsFound = z.output<typeof ActionsFound>;

export const Metadata = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string(),
  search_subject_endpoint: z.string(),
  search_resource_endpoint: z.string(),
  search_action_endpoint: z.string(),
});
