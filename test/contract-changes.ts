/** One change of a document: a value put at a JSON Pointer, or taken away from there. */
export type Edit = { readonly at: string; readonly value?: unknown }

/** A change of a published document, under the guarantee that is read from it, and what the gate must say of it. */
export type Change = {
  readonly name: string
  /** What both documents are given first, where the real ones hold nothing of the kind. */
  readonly given?: readonly Edit[]
  readonly edits: readonly Edit[]
  /** Pointer and fact of every break that is found, in any order. None: the change is harmless. */
  readonly breaks: readonly (readonly [pointer: string, fact: string])[]
}

/** An edit that puts a value at a place, over what is there. */
export const put = (at: string, value: unknown): Edit => ({ at, value })
const drop = (at: string): Edit => ({ at })

const breaking = (
  name: string,
  edits: Edit | readonly Edit[],
  breaks: Change['breaks'],
  given: readonly Edit[] = [],
): Change => ({ name, edits: [edits].flat(), breaks, given })
const harmless = (name: string, edits: Edit | readonly Edit[], given: readonly Edit[] = []): Change =>
  breaking(name, edits, [], given)

/** A copy with the edits made. @throws Error for a place that is not there */
export const edited = (document: unknown, edits: readonly Edit[]): unknown => {
  const copy: unknown = structuredClone(document)
  for (const { at, ...edit } of edits) {
    const path = at.split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = path.pop() ?? ''
    const holder = path.slice(1).reduce<unknown>((value, name) => memberOf(value, name), copy)
    if (typeof holder !== 'object' || holder === null) throw new Error(`nothing holds ${at}`)
    if ('value' in edit) Object.assign(holder, { [last]: edit.value })
    else if (!Reflect.has(holder, last)) throw new Error(`${at} is not there`)
    else if (Array.isArray(holder)) holder.splice(Number(last), 1)
    else Reflect.deleteProperty(holder, last)
  }
  return copy
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

export const wallet = '/$defs/perigee.wallet.changed.v1'
const updated = '/$defs/perigee.player.updated.v1'
const created = '/$defs/perigee.player.created.v1'
const reason = `${wallet}/properties/reason`
const named = `${created}/properties/displayName`
const amount = `${wallet}/properties/balances/items/properties/amount`

/** A member that the real events lack, for keywords that they lack. */
const extra = `${wallet}/properties/extra`
const withExtra = (schema: unknown): readonly Edit[] => [put(extra, schema)]

const granted = { type: 'object', properties: { kind: { const: 'granted' } }, required: ['kind'] }
const spent = { type: 'object', properties: { kind: { const: 'spent' } }, required: ['kind'] }
const gift = { type: 'object', properties: { kind: { const: 'gift' } }, required: ['kind'] }
const tree = { type: 'object', properties: { size: { type: 'integer' }, below: { $ref: '#/$defs/Tree' } } }
const withTree = [put('/$defs/Tree', tree), ...withExtra({ $ref: '#/$defs/Tree' })]
const text = { type: 'string' }

export const eventChanges: readonly Change[] = [
  breaking('a type does not go away', drop(wallet), [[wallet, `the event ${wallet.slice(7)} is gone`]]),
  breaking('a type keeps its subject', put(`${wallet}/x-perigee-aggregate`, 'player:{playerId}'), [
    [`${wallet}/x-perigee-aggregate`, 'the subject went from wallet:{playerId} to player:{playerId}'],
  ]),
  breaking('a type stays an event', drop(`${wallet}/x-perigee-aggregate`), [[wallet, 'the event']]),
  breaking('a member does not go away', drop(reason), [[reason, 'the member `reason` is gone']]),
  breaking(
    'a member that could be absent does not go away either',
    drop(extra),
    [[extra, 'the member `extra` is gone']],
    withExtra(text),
  ),
  breaking('a member of an item does not go away', drop(amount), [[amount, 'the member `amount` is gone']]),
  breaking(
    'a required member is not absent',
    put(`${wallet}/required`, ['playerId', 'transactionId', 'changes', 'balances']),
    [[reason, 'the member `reason` can now be absent']],
  ),
  breaking('a member keeps its type', put(`${reason}/type`, 'integer'), [
    [reason, 'a value of type integer is now possible'],
  ]),
  breaking('a whole number stays whole', put(`${amount}/type`, 'number'), [
    [amount, 'a value of type fraction is now possible'],
  ]),
  breaking('a member does not become null', put(reason, { anyOf: [text, { type: 'null' }] }), [
    [reason, 'a value of type null is now possible'],
  ]),
  breaking('a member does not become null by a list of types', put(reason, { type: ['string', 'null'] }), [
    [reason, 'a value of type null is now possible'],
  ]),
  breaking('a member that had a type keeps one', put(reason, {}), [
    [reason, 'a value of type null or boolean or object or array or integer or fraction is now possible'],
  ]),
  breaking('a member keeps its pattern', put(`${wallet}/properties/playerId/pattern`, '^ply_'), [
    [`${wallet}/properties/playerId`, 'the pattern went from ^ply_'],
  ]),
  breaking('a pattern is not taken away', drop(`${wallet}/properties/playerId/pattern`), [
    [`${wallet}/properties/playerId`, 'to none'],
  ]),
  breaking(
    'a format is not taken away',
    drop(`${extra}/format`),
    [[extra, 'the format went from date-time to none']],
    withExtra({ ...text, format: 'date-time' }),
  ),
  breaking('a text does not become longer', put(`${named}/maxLength`, 33), [
    [named, 'the greatest length went from 32 to 33'],
  ]),
  breaking('a text does not become endless', drop(`${named}/maxLength`), [
    [named, 'the greatest length went from 32 to none'],
  ]),
  breaking('a text does not become shorter', put(`${named}/minLength`, 0), [
    [named, 'the least length went from 1 to 0'],
  ]),
  breaking('a text does not become empty', drop(`${named}/minLength`), [[named, 'the least length went from 1 to 0']]),
  breaking('a number does not become smaller', put(`${amount}/minimum`, -1), [
    [amount, 'the least value went from 0 to -1'],
  ]),
  breaking('a number does not become greater', drop(`${amount}/maximum`), [
    [amount, 'the greatest value went from 9007199254740991 to none'],
  ]),
  breaking(
    'an excluded bound does not become possible',
    [drop(`${extra}/exclusiveMinimum`), put(`${extra}/minimum`, 0)],
    [[extra, 'the least value went from above 0 to 0']],
    withExtra({ type: 'number', exclusiveMinimum: 0 }),
  ),
  breaking(
    'an excluded greatest value stays excluded',
    put(`${extra}/exclusiveMaximum`, 2),
    [[extra, 'the greatest value went from under 1 to under 2']],
    withExtra({ type: 'number', exclusiveMaximum: 1 }),
  ),
  breaking(
    'an excluded greatest value does not become possible',
    [drop(`${extra}/exclusiveMaximum`), put(`${extra}/maximum`, 1)],
    [[extra, 'the greatest value went from under 1 to 1']],
    withExtra({ type: 'number', exclusiveMaximum: 1 }),
  ),
  breaking('a list does not become empty', drop(`${updated}/properties/changed/minItems`), [
    [`${updated}/properties/changed`, 'the least number of items went from 1 to 0'],
  ]),
  breaking(
    'a list does not become longer',
    put(`${extra}/maxItems`, 3),
    [[extra, 'the greatest number of items went from 2 to 3']],
    withExtra({ type: 'array', maxItems: 2 }),
  ),
  breaking('the items of a list keep their type', put(`${updated}/properties/changed/items/type`, 'null'), [
    [`${updated}/properties/changed/items`, 'a value of type null is now possible'],
  ]),
  breaking('the items of a list keep some schema', drop(`${updated}/properties/changed/items`), [
    [`${updated}/properties/changed/items`, 'a value of type null'],
  ]),
  breaking(
    'a closed set of values gains none',
    put(`${extra}/enum`, ['won', 'lost', 'drawn']),
    [[extra, 'the value "drawn" is now possible']],
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  breaking(
    'a closed set of values stays closed',
    drop(`${extra}/enum`),
    [[extra, 'a value other than "won", "lost" is now possible']],
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  breaking(
    'a constant stays what it is',
    put(`${extra}/const`, 'lost'),
    [[extra, 'the value "lost" is now possible']],
    withExtra({ const: 'won' }),
  ),
  breaking(
    'an enumeration that comes for a pattern holds to it',
    put(extra, { ...text, enum: ['won', 'Lost'] }),
    [[extra, 'the pattern went from ^[a-z]+$ to none']],
    withExtra({ ...text, pattern: '^[a-z]+$' }),
  ),
  breaking(
    'an enumeration that comes for a bound holds to it',
    put(extra, { enum: ['won', 'drawn'] }),
    [[extra, 'the greatest length went from 4 to 5']],
    withExtra({ ...text, maxLength: 4 }),
  ),
  breaking(
    'an enumeration that comes for a range holds to it',
    put(extra, { enum: [1, 3] }),
    [[extra, 'the greatest value went from 2 to 3']],
    withExtra({ type: 'integer', maximum: 2 }),
  ),
  breaking(
    'what a map holds keeps its type',
    put(`${extra}/additionalProperties/type`, 'string'),
    [[`${extra}/additionalProperties`, 'a value of type string is now possible']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'a new member of a map is what the map says of all',
    put(`${extra}/properties`, { note: text }),
    [[`${extra}/additionalProperties`, 'a value of type string is now possible']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'a map that says what it holds goes on saying it',
    drop(`${extra}/additionalProperties`),
    [[`${extra}/additionalProperties`, 'a value of type null']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'an object that was closed stays closed',
    put(`${extra}/additionalProperties`, true),
    [[extra, 'a member that the object does not name is now possible']],
    withExtra({ type: 'object', additionalProperties: false }),
  ),
  breaking(
    'the keys of a map keep their form',
    drop(`${extra}/propertyNames/pattern`),
    [[`${extra}/propertyNames`, 'the pattern went from ^[a-z]+$ to none']],
    withExtra({ type: 'object', propertyNames: { ...text, pattern: '^[a-z]+$' } }),
  ),
  breaking(
    'a closed set of alternatives gains none',
    put(`${extra}/oneOf`, [granted, spent, gift]),
    [[extra, 'a value of type object with kind "gift" is now possible']],
    withExtra({ oneOf: [granted, spent] }),
  ),
  breaking(
    'of several alternatives the one that changed is named',
    put(`${extra}/oneOf/1/properties/note`, text),
    [[`${extra}/oneOf/1/properties/note`, 'a value of type string is now possible']],
    withExtra({ oneOf: [granted, { ...spent, properties: { ...spent.properties, note: { type: 'null' } } }] }),
  ),
  breaking(
    'a part that holds for all alternatives goes on to hold',
    drop(`${extra}/allOf/0`),
    [[`${extra}/allOf/1`, 'the greatest length went from 8 to none']],
    withExtra({
      allOf: [
        { ...text, maxLength: 8 },
        { ...text, minLength: 1 },
      ],
    }),
  ),
  breaking(
    'a schema that is referred to is held like one that is written in place',
    put('/$defs/Short/maxLength', 9),
    [['/$defs/Short', 'the greatest length went from 8 to 9']],
    [put('/$defs/Short', { ...text, maxLength: 8 }), ...withExtra({ $ref: '#/$defs/Short' })],
  ),
  breaking(
    'a schema that refers to itself is held, and each of its breaks is named once',
    put('/$defs/Tree/properties/size/type', 'string'),
    [['/$defs/Tree/properties/size', 'a value of type string is now possible']],
    withTree,
  ),
  harmless(
    'a new type breaks nobody',
    put('/$defs/perigee.player.deleted.v1', { 'x-perigee-aggregate': 'player:{id}' }),
  ),
  harmless('what events share may go when no event needs it', drop('/$defs/Short'), [put('/$defs/Short', text)]),
  harmless('a new member that can be absent breaks nobody', put(extra, text)),
  harmless('a new member that is always there breaks nobody', [
    put(extra, text),
    put(`${created}/required`, ['playerId', 'displayName', 'extra']),
    put(`${created}/properties/extra`, text),
  ]),
  harmless(
    'a new member that is named like a method of JavaScript is a new member',
    put(`${wallet}/properties/toString`, text),
  ),
  harmless('a member may become required', put(`${wallet}/required/5`, 'extra'), withExtra(text)),
  harmless('words for people may change', [
    put(`${wallet}/title`, 'Wallet changed'),
    put(`${reason}/description`, 'Why.'),
    put(`${reason}/deprecated`, true),
    put(`${reason}/examples`, ['quest']),
    put(`${reason}/$comment`, 'for us'),
  ]),
  harmless('a default is for those who write', put(`${extra}/default`, 'b'), withExtra({ ...text, default: 'a' })),
  harmless('bounds may close in', [
    put(`${named}/maxLength`, 31),
    put(`${named}/minLength`, 2),
    put(`${amount}/minimum`, 1),
    put(`${amount}/maximum`, 9),
    put(`${updated}/properties/changed/minItems`, 2),
    put(`${updated}/properties/changed/maxItems`, 5),
  ]),
  harmless('above zero is within zero and more', [drop(`${amount}/minimum`), put(`${amount}/exclusiveMinimum`, 0)]),
  harmless(
    'from one is within above zero, for whole numbers',
    [drop(`${extra}/exclusiveMinimum`), put(`${extra}/minimum`, 1)],
    [...withExtra({ type: 'integer', exclusiveMinimum: 0 })],
  ),
  harmless(
    'above zero is from one, and under one is up to zero, for whole numbers',
    [
      put(extra, { type: 'integer', exclusiveMinimum: 0 }),
      put(`${created}/properties/extra`, { type: 'integer', exclusiveMaximum: 1 }),
    ],
    [put(extra, { type: 'integer', minimum: 1 }), put(`${created}/properties/extra`, { type: 'integer', maximum: 0 })],
  ),
  harmless('a pattern and a format may be added', [
    put(`${reason}/pattern`, '^[a-z]+$'),
    put(`${reason}/format`, 'slug'),
  ]),
  harmless('a number may become whole', put(`${extra}/type`, 'integer'), withExtra({ type: 'number' })),
  harmless('a member may stop to be null', put(extra, text), withExtra({ anyOf: [text, { type: 'null' }] })),
  harmless('null may be written as an alternative or as a type', put(extra, { type: ['string', 'null'] }), [
    ...withExtra({ anyOf: [text, { type: 'null' }] }),
  ]),
  harmless(
    'a set of values may lose one',
    put(`${extra}/enum`, ['won']),
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  harmless('a constant is one of a set of values', put(extra, { const: 'won' }), withExtra({ enum: ['won', 'lost'] })),
  harmless(
    'an enumeration may come for a pattern and bounds that its values hold to',
    put(extra, { enum: ['won', 'lost'] }),
    withExtra({ ...text, pattern: '^[a-z]+$', minLength: 3, maxLength: 4 }),
  ),
  harmless(
    'a tag tells alternatives apart also where one of them does not ask for it',
    put(`${extra}/oneOf/0/properties/note`, text),
    withExtra({ oneOf: [granted, { ...spent, required: [] }] }),
  ),
  harmless('an alternative may go', put(`${extra}/oneOf`, [spent]), withExtra({ oneOf: [granted, spent] })),
  harmless(
    'alternatives may change places',
    put(`${extra}/oneOf`, [spent, granted]),
    withExtra({ oneOf: [granted, spent] }),
  ),
  harmless('an object may be closed', put(`${extra}/additionalProperties`, false), withExtra({ type: 'object' })),
  harmless('a schema may get a name', [put('/$defs/Reason', text), put(reason, { $ref: '#/$defs/Reason' })]),
  harmless('a schema may be written in parts', put(reason, { allOf: [text, { maxLength: 128 }] })),
  harmless('a schema that refers to itself may gain a member', put('/$defs/Tree/properties/note', text), withTree),
]

const device = '/paths/~1v1~1auth~1device/post'
const profile = '/paths/~1v1~1players~1{playerId}/get'
const own = '/paths/~1v1~1players~1me/get'
const transaction = '/paths/~1v1~1players~1{playerId}~1wallet~1transactions/post'
const schemas = '/components/schemas'
const json = 'application~1json'
const problemJson = 'application~1problem+json'

export const answerChanges: readonly Change[] = [
  breaking('an operation does not go away', drop(own), [[own, 'the operation GET /v1/players/me is gone']]),
  breaking('a path does not go away', drop('/paths/~1v1~1wallet'), [
    ['/paths/~1v1~1wallet/get', 'the operation GET /v1/wallet is gone'],
  ]),
  breaking('an operation keeps its name', put(`${own}/operationId`, 'getMe'), [
    [`${own}/operationId`, 'the operationId went from getOwnProfile to getMe'],
  ]),
  breaking(
    'a success keeps its status',
    [drop(`${own}/responses/200`), put(`${own}/responses/201`, { description: 'As asked.' })],
    [
      [`${own}/responses/200`, 'the status 200 is gone'],
      [`${own}/responses/201`, 'the status 201 is now possible'],
    ],
  ),
  breaking('an answer keeps its headers', drop(`${profile}/responses/200/headers/ETag`), [
    [`${profile}/responses/200/headers/ETag`, 'the header etag is gone'],
  ]),
  breaking('a failure keeps its headers', drop(`${own}/responses/429/headers/Retry-After`), [
    [`${own}/responses/429/headers/Retry-After`, 'the header retry-after is gone'],
  ]),
  breaking(
    'a header that many answers share is held, and named once',
    drop('/components/headers/RetryAfter/schema/minimum'),
    [['/components/headers/RetryAfter/schema', 'the least value went from 1 to none']],
  ),
  breaking('an answer keeps its media type', put(`${own}/responses/200/content`, { 'text/plain': { schema: text } }), [
    [`${own}/responses/200/content/${json}`, 'the media type application/json is gone'],
    [`${own}/responses/200/content/text~1plain`, 'the media type text/plain is now possible'],
  ]),
  breaking(
    'a member of an answer that several operations share does not go away, and is named once',
    drop(`${schemas}/OwnProfile/properties/language`),
    [[`${schemas}/OwnProfile/properties/language`, 'the member `language` is gone']],
  ),
  breaking(
    'a member of an answer does not become null',
    put(`${schemas}/Profile/properties/displayName/type`, ['string', 'null']),
    [[`${schemas}/Profile/properties/displayName`, 'a value of type null is now possible']],
  ),
  breaking(
    'a balance in an answer stays within its bounds',
    drop(`${schemas}/Balances/items/properties/amount/minimum`),
    [[`${schemas}/Balances/items/properties/amount`, 'the least value went from 0 to none']],
  ),
  breaking('a time in an answer keeps its format', put(`${schemas}/Session/properties/serverTime/format`, 'date'), [
    [`${schemas}/Session/properties/serverTime`, 'the format went from date-time to date'],
  ]),
  breaking(
    'a problem keeps the members that its code brings',
    drop(`${schemas}/InsufficientFundsProblem/allOf/1/properties/balance`),
    [[`${schemas}/InsufficientFundsProblem/allOf/1/properties/balance`, 'the member `balance` is gone']],
  ),
  breaking(
    'a problem always brings the members of its code',
    put(`${schemas}/InsufficientFundsProblem/allOf/1/required`, ['code', 'status', 'currency', 'balance']),
    [[`${schemas}/InsufficientFundsProblem/allOf/1/properties/needed`, 'the member `needed` can now be absent']],
  ),
  breaking('every problem keeps the members that all share', drop(`${schemas}/Problem/properties/requestId`), [
    [`${schemas}/Problem/properties/requestId`, 'the member `requestId` is gone'],
  ]),
  breaking(
    'a code keeps its status',
    [
      put(`${schemas}/MisdirectedProblem/allOf/1/properties/status/const`, 409),
      drop(`${device}/responses/421`),
      put(`${device}/responses/409`, {
        description: 'moved',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/MisdirectedProblem' } } },
      }),
    ],
    [[`${schemas}/MisdirectedProblem/allOf/1/properties/status`, 'the value 409 is now possible']],
  ),
  breaking(
    'a problem keeps its media type',
    [
      put(`${own}/responses/404/content/${json}`, { schema: { $ref: '#/components/schemas/NotFoundProblem' } }),
      drop(`${own}/responses/404/content/${problemJson}`),
    ],
    [
      [`${own}/responses/404/content/${problemJson}`, 'the media type application/problem+json is gone'],
      [`${own}/responses/404/content/${json}`, 'the media type application/json is now possible'],
    ],
  ),
  harmless(
    'a new operation breaks nobody',
    put('/paths/~1v1~1mottos', { get: { operationId: 'x', security: [], responses: {} } }),
  ),
  harmless('a new header breaks nobody', put(`${own}/responses/200/headers/X-New`, { schema: text })),
  harmless('a header may be written in other case', [
    drop(`${own}/responses/200/headers/X-Request-Id`),
    put(`${own}/responses/200/headers/x-request-id`, { $ref: '#/components/headers/RequestId' }),
  ]),
  harmless('a new member of an answer breaks nobody', put(`${schemas}/Profile/properties/level`, { type: 'integer' })),
  harmless(
    'a member of an answer may stop to be null',
    put(`${schemas}/Profile/properties/country`, { ...text, pattern: '^[A-Z]{2}$' }),
  ),
  harmless(
    'a new code breaks nobody, since a client goes by the status of a code that it does not know',
    put(`${own}/responses/404/content/${problemJson}/schema`, {
      oneOf: [{ $ref: '#/components/schemas/NotFoundProblem' }, { $ref: '#/components/schemas/MisdirectedProblem' }],
    }),
  ),
  harmless(
    'a new code under a new status breaks nobody',
    put(`${own}/responses/421`, {
      description: 'new',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/MisdirectedProblem' } } },
    }),
  ),
  harmless('a code may cease to be answered', drop(`${device}/responses/421`)),
  harmless('a read may begin to be answered with 304', put(`${own}/responses/304`, { description: 'Not modified.' })),
  harmless('words, groups, places and lives may change', [
    put(`${profile}/summary`, 'Read a profile'),
    put(`${profile}/tags`, ['people']),
    put(`${profile}/x-perigee-delivery/freshMs`, 1),
    put(`${profile}/deprecated`, true),
    put('/info/version', '9.0.0'),
    put('/components/securitySchemes/player/description', 'A token.'),
  ]),
]

const changes = `${schemas}/ProfileChanges/properties`
const bought = `${schemas}/WalletTransaction/properties`
const limit = { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 100 } }
const withLimit = [put(`${own}/parameters`, [limit])]
const key = '/components/parameters/IdempotencyKey'
const choice = `${changes}/choice`
const withChoice = (schema: unknown) => [put(choice, schema)]

export const requestChanges: readonly Change[] = [
  breaking('a call needs no new parameter', put(`${own}/parameters`, [{ ...limit, required: true }]), [
    [`${own}/parameters/0`, 'the parameter query limit is now required'],
  ]),
  breaking('a call needs no new header', put(`${own}/parameters`, [{ ...limit, in: 'header', required: true }]), [
    [`${own}/parameters/0`, 'the parameter header limit is now required'],
  ]),
  breaking(
    'a parameter that could be absent may still be',
    put(`${own}/parameters/0/required`, true),
    [[`${own}/parameters/0`, 'the parameter query limit is now required']],
    withLimit,
  ),
  breaking(
    'a parameter is still taken',
    drop(`${own}/parameters/0`),
    [[`${own}/parameters/0`, 'the parameter query limit is no longer taken']],
    withLimit,
  ),
  breaking(
    'a parameter that several operations share is held, and named once',
    put(`${key}/schema/maxLength`, 64),
    [[`${key}/schema`, 'the greatest length went from 255 to 64']],
    [put(`${own}/parameters`, [{ $ref: `#${key}` }])],
  ),
  breaking(
    'a parameter takes the values that it took',
    put(`${own}/parameters/0/schema/maximum`, 50),
    [[`${own}/parameters/0/schema`, 'the greatest value went from 100 to 50']],
    withLimit,
  ),
  breaking('an id in a path keeps its pattern', put(`${profile}/parameters/0/schema/pattern`, '^ply_'), [
    [`${profile}/parameters/0/schema`, 'the pattern went from'],
  ]),
  breaking('a member of a body is still taken', drop(`${changes}/country`), [
    [`${changes}/country`, 'the member `country` is no longer taken'],
  ]),
  breaking(
    'a member is still taken by a body that takes others',
    drop(`${changes}/country`),
    [[`${changes}/country`, 'the member `country` is no longer taken']],
    [drop(`${schemas}/ProfileChanges/additionalProperties`)],
  ),
  breaking(
    'a body needs no new member',
    [put(`${bought}/source`, text), put(`${schemas}/WalletTransaction/required`, ['changes', 'reason', 'source'])],
    [[`${bought}/source`, 'the member `source` is now required']],
  ),
  breaking(
    'a member that could be absent may still be',
    put(`${schemas}/DeviceCredential/required`, ['deviceId', 'create']),
    [[`${schemas}/DeviceCredential/properties/create`, 'the member `create` is now required']],
  ),
  breaking('a member takes the type that it took', put(`${bought}/reason/type`, 'integer'), [
    [`${bought}/reason`, 'a value of type string is no longer taken'],
  ]),
  breaking('a member that took null takes it still', put(`${changes}/country`, { ...text, pattern: '^[A-Z]{2}$' }), [
    [`${changes}/country/anyOf/1`, 'a value of type null is no longer taken'],
  ]),
  breaking(
    'a set of values that are taken loses none',
    put(`${choice}/enum`, ['a']),
    [[choice, 'the value "b" is no longer taken']],
    withChoice({ enum: ['a', 'b'] }),
  ),
  breaking('what took any text is given no set of values', put(`${bought}/reason/enum`, ['quest']), [
    [`${bought}/reason`, 'a value other than "quest" is no longer taken'],
  ]),
  breaking('a text may be as long as it was', put(`${bought}/reason/maxLength`, 127), [
    [`${bought}/reason`, 'the greatest length went from 128 to 127'],
  ]),
  breaking('a text may be as short as it was', put(`${bought}/reason/minLength`, 2), [
    [`${bought}/reason`, 'the least length went from 1 to 2'],
  ]),
  breaking('a list may be as long as it was', put(`${bought}/changes/maxItems`, 10), [
    [`${bought}/changes`, 'the greatest number of items went from 20 to 10'],
  ]),
  breaking('a number may be as small as it was', put(`${bought}/changes/items/properties/amount/minimum`, 0), [
    [`${bought}/changes/items/properties/amount`, 'the least value went from -9007199254740991 to 0'],
  ]),
  breaking('a text is asked for no new pattern', put(`${bought}/reason/pattern`, '^[a-z]+$'), [
    [`${bought}/reason`, 'the pattern went from none to ^[a-z]+$'],
  ]),
  breaking('a text is asked for no new format', put(`${bought}/reason/format`, 'email'), [
    [`${bought}/reason`, 'the format went from none to email'],
  ]),
  breaking('a default stays what it is', put(`${schemas}/DeviceCredential/properties/create/default`, false), [
    [`${schemas}/DeviceCredential/properties/create`, 'the default went from true to false'],
  ]),
  breaking('a default is not taken away', drop(`${schemas}/DeviceCredential/properties/create/default`), [
    [`${schemas}/DeviceCredential/properties/create`, 'the default went from true to none'],
  ]),
  breaking(
    'an alternative of a body is still taken',
    put(choice, { anyOf: [granted] }),
    [[choice, 'the value "spent" is no longer taken']].map(
      ([, fact]) => [`${choice}/anyOf/1/properties/kind`, `${fact}`] as const,
    ),
    withChoice({ anyOf: [granted, spent] }),
  ),
  breaking(
    'an open body is not closed',
    put(`${schemas}/RefreshCredential/additionalProperties`, false),
    [[`${schemas}/RefreshCredential`, 'a member that the object does not name is no longer taken']],
    [drop(`${schemas}/RefreshCredential/additionalProperties`)],
  ),
  breaking(
    'a body is still taken as the media type that it was',
    put(`${device}/requestBody/content`, {
      'text/plain': { schema: text },
    }),
    [[`${device}/requestBody/content/${json}`, 'the media type application/json is no longer taken']],
  ),
  breaking('a call needs no new body', put(`${own}/requestBody`, { required: true, content: {} }), [
    [`${own}/requestBody`, 'a body is now required'],
  ]),
  breaking('a body is still taken', drop(`${device}/requestBody`), [
    [`${device}/requestBody`, 'the body is no longer taken'],
  ]),
  breaking(
    'a body that could be absent may still be',
    put(`${device}/requestBody/required`, true),
    [[`${device}/requestBody`, 'the body is now required']],
    [put(`${device}/requestBody/required`, false)],
  ),
  breaking(
    'what was open to all asks for no credentials',
    put('/paths/~1openapi.json/get/security', [{ publishableKey: [] }]),
    [['/paths/~1openapi.json/get/security', 'a call with no credentials is no longer taken']],
  ),
  breaking('an operation takes the credentials that it took', put(`${own}/security`, [{ server: [] }]), [
    [`${own}/security`, 'a call with player credentials is no longer taken'],
  ]),
  breaking(
    'an operation asks for no second credentials',
    put(`${own}/security`, [{ player: [], publishableKey: [] }]),
    [[`${own}/security`, 'a call with player credentials is no longer taken']],
  ),
  breaking('credentials are sent as they were', put('/components/securitySchemes/publishableKey/name', 'X-Key'), [
    ['/components/securitySchemes/publishableKey', 'the credentials publishableKey are sent in another way'],
  ]),
  breaking('credentials do not go away', drop('/components/securitySchemes/operator'), [
    ['/components/securitySchemes/operator', 'the credentials operator are gone'],
  ]),
  harmless('a new parameter that can be absent breaks nobody', withLimit),
  harmless('a parameter may become dispensable', put(`${transaction}/parameters/1/required`, false)),
  harmless(
    'the name of a header may be written in other case',
    put(`${transaction}/parameters/1/name`, 'idempotency-key'),
  ),
  harmless('a new member that can be absent breaks nobody', put(`${changes}/motto`, text)),
  harmless('a new member of an open body breaks nobody', put(`${schemas}/RefreshCredential/properties/note`, text), [
    drop(`${schemas}/RefreshCredential/additionalProperties`),
  ]),
  harmless('a member may become dispensable', put(`${schemas}/WalletTransaction/required`, ['changes'])),
  harmless('bounds may open', [
    put(`${bought}/reason/maxLength`, 256),
    put(`${bought}/reason/minLength`, 0),
    put(`${bought}/changes/maxItems`, 40),
    put(`${bought}/changes/minItems`, 0),
    drop(`${bought}/changes/items/properties/currency/pattern`),
  ]),
  harmless('null may be taken', put(`${bought}/reason/type`, ['string', 'null'])),
  harmless('a set of values may gain one', put(`${choice}/enum`, ['a', 'b']), withChoice({ enum: ['a'] })),
  harmless('a default may be made known', put(`${bought}/reason/default`, 'quest')),
  harmless('a body may take what it does not name', drop(`${schemas}/RefreshCredential/additionalProperties`)),
  harmless(
    'a body may take another media type as well',
    put(`${device}/requestBody/content/text~1plain`, { schema: text }),
  ),
  harmless('a body may become dispensable', put(`${device}/requestBody/required`, false)),
  harmless('a body may come that can be absent', put(`${own}/requestBody`, { content: {} })),
  harmless('other credentials may be enough as well', put(`${own}/security`, [{ server: [] }, { player: [] }])),
  harmless('an operation may ask for no credentials', put(`${own}/security`, [])),
  harmless(
    'new credentials break nobody',
    put('/components/securitySchemes/partner', { type: 'http', scheme: 'bearer' }),
  ),
]
