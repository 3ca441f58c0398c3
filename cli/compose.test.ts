import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import * as config from "../contract/config.ts";

// No Docker here: what docker-compose.yaml names must exist, and what it runs is run by hand.

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const run = promisify(execFile);

const serviceSchema = z.object({
  image: z.string(),
  build: z.string().optional(),
  init: z.boolean().optional(),
  user: z.string().optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  restart: z.string(),
});

const text = read("docker-compose.yaml");
const compose = z
  .object({ services: z.record(z.string(), serviceSchema), volumes: z.record(z.string(), z.null()) })
  .parse(parse(text, { merge: true }));
const dockerfile = read("Dockerfile");
const { version, dependencies, peerDependencies } = z
  .object({
    version: z.string(),
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(read("package.json")));

type Service = z.output<typeof serviceSchema>;
const services = Object.entries(compose.services);
const isOurs = ({ image }: Service) => image.startsWith("rushhour:");
const isOneShot = ({ restart }: Service) => restart === "no";
const roles = services.filter(([name, service]) => isOurs(service) && name !== "secrets");
const service = (name: string) => compose.services[name]!;

const SECRETS = "/run/rushhour";

/** Runs the script of the service "secrets" into a folder of its own. */
async function writeSecrets(folder = join(temporaryFolder(), "secrets")) {
  const { stdout } = await run("sh", [join(root, "compose/secrets.sh"), folder]);
  const files = new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8").trim()]),
  );
  return { folder, stdout, files };
}

function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-compose-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("images", () => {
  test.each(services)("%s runs an exact version", (_, { image }) => {
    expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
    if (image.startsWith("rushhour")) expect(image).toBe(`rushhour:${version}`);
  });

  test("ours is built once, on an exact Node 24, and does not run as root", () => {
    expect(dockerfile).toMatch(/^FROM node:24\.\d+\.\d+-\S+$/m);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(services.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual([
      "secrets",
    ]);
    // Whichever service is started, the one that builds the image is started too.
    for (const [name] of roles) expect(ancestors(name), name).toContain("secrets");
  });

  test("ours holds every file and package the program imports", () => {
    const allowed = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    for (const path of allowed) expect(existsSync(join(root, path)), path).toBe(true);
    const files = [...importsOf("cli/rushhour.js")];
    expect(files).toContain("cli/main.ts");
    expect(allowed).toEqual(expect.arrayContaining(files.map((path) => path.split("/")[0])));

    // npm ci --omit=dev: what is imported is a dependency, its own or of its peers, not a tool of development.
    const packages = files.flatMap((path) =>
      [
        ...read(path).matchAll(/^(?:import |export |\})[^\n]* from "((?!node:)(?:@[^/"]+\/)?[a-z][^/"]*)/gm),
      ].map(([, name]) => name!),
    );
    expect(packages).toContain("commander");
    expect(Object.keys({ ...dependencies, ...peerDependencies })).toEqual(expect.arrayContaining(packages));
  });

  test("only the service that hands out the secrets runs as root", () => {
    for (const [name, { user }] of services) {
      if (name === "secrets") expect(user).toBe("0:0");
      else expect(user ?? "", name).not.toMatch(/^(0|root)\b/);
    }
  });
});

/** Paths from the root of all that `path` imports, itself included. */
function importsOf(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, target] of read(path).matchAll(/(?:from|import|:)\s*\(?"(\.{1,2}\/[^"]+\.ts)"/g)) {
    importsOf(relative(root, join(root, dirname(path), target!)), found);
  }
  return found;
}

function ancestors(name: string): string[] {
  return Object.keys(service(name).depends_on).flatMap((parent) => [parent, ...ancestors(parent)]);
}

describe("commands", () => {
  test("the image's entry is the program", () => {
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "cli\/rushhour.js"\]$/m);
  });

  test.each(roles)("%s runs a command and options the program knows", async (_, { command }) => {
    const [name, ...args] = command;
    const { stdout } = await run(process.execPath, [join(root, "cli/rushhour.js"), name!, "--help"]);
    expect(stdout).toMatch(new RegExp(`^Usage: rushhour ${name!}\\b`, "m"));
    for (const option of args.filter((arg) => arg.startsWith("--"))) {
      expect(stdout).toMatch(new RegExp(`^ +(-\\w, )?${option}\\b`, "m"));
    }
  });

  test("A-20: a plain start brings up every part of the pipeline", () => {
    const parts = [
      "kafka",
      "kafka-ui",
      "mysql",
      "redis",
      "grafana",
      "migrate",
      "api",
      "consumer",
      "producer",
      "simulator",
    ];
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(parts));
    expect(text).not.toMatch(/^\s*profiles\s*:/m);
  });
});

describe("settings", () => {
  const fields = Object.assign(
    {},
    ...Object.values(config).map((value) => (value instanceof z.ZodObject ? value.shape : {})),
  ) as Record<string, z.ZodType>;

  test.each(roles)("%s is given variables the program reads, with values it takes", (_, { environment }) => {
    for (const [name, value] of Object.entries(environment)) {
      const field = name.replace(/_FILE$/, "");
      expect(Object.keys(fields)).toContain(field);
      if (field === name)
        expect(fields[field]!.safeParse(value), `${name}=${value}`).toMatchObject({ success: true });
    }
  });

  test("containers and the host reach Kafka by the address it gives each of them", () => {
    const { environment, ports } = service("kafka");
    const advertised = environment["KAFKA_ADVERTISED_LISTENERS"]!.split(",");
    const clients = [
      ...roles.flatMap(([, role]) => role.environment["KAFKA_BROKERS"] ?? []),
      service("kafka-ui").environment["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"]!,
    ];
    expect(new Set(clients.map((address) => `INTERNAL://${address}`))).toEqual(new Set([advertised[0]]));
    expect(advertised[1]).toBe("HOST://127.0.0.1:9092");
    expect(ports).toEqual(["127.0.0.1:9092:9092"]);
    for (const listener of advertised) {
      expect(environment["KAFKA_LISTENERS"]).toContain(listener.replace(/\/\/.*:/, "//:"));
    }
  });

  test("a new Kafka volume is a new cluster, and topics are never made by accident", () => {
    expect(service("kafka").command.at(-1)).toMatch(/random-uuid/);
    expect(service("kafka").environment).toMatchObject({ KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false" });
    expect(service("kafka").environment).not.toHaveProperty("CLUSTER_ID");
  });
});

describe("order", () => {
  test.each(services)("%s waits for services that can become what it waits for", (_, { depends_on }) => {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      expect(Object.keys(compose.services)).toContain(name);
      if (isOneShot(service(name))) expect(condition, name).toBe("service_completed_successfully");
      else {
        expect(condition, name).toBe("service_healthy");
        expect(service(name).healthcheck, name).toBeDefined();
      }
    }
  });

  test("what stays up is started again, unless somebody stopped it", () => {
    const oneShots = services.filter(([, one]) => isOneShot(one)).map(([name]) => name);
    expect(oneShots).toEqual(["secrets", "migrate", "topics"]);
    for (const [name, { restart }] of services) {
      if (!oneShots.includes(name)) expect(restart, name).toBe("unless-stopped");
    }
  });
});

describe("health checks", () => {
  /** Programs seen in the images' own build files; ours has what node's slim image has. */
  const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
    "apache/kafka": ["bash"],
    "ghcr.io/kafbat/kafka-ui": ["wget"],
    mysql: ["mysqladmin"],
    "grafana/grafana": ["wget"],
    redis: ["redis-cli"],
    rushhour: ["node"],
  };

  test.each(services.filter(([, { healthcheck }]) => healthcheck !== undefined))(
    "%s is checked by a program of its image",
    (_, { image, healthcheck }) => {
      expect(healthcheck!.test[0]).toBe("CMD");
      expect(PROGRAMS[image.replace(/:[^:]*$/, "")]).toContain(healthcheck!.test[1]);
    },
  );

  const own = [
    ["api", config.apiSettings.parse({}).API_PORT],
    ["consumer", config.consumerSettings.parse({}).CONSUMER_PORT],
  ] as const;

  test.each(own)(
    "%s passes while it is ready, fails while it is not and when it is gone",
    async (name, port) => {
      const script = service(name).healthcheck!.test.at(-1)!;
      const url = `http://127.0.0.1:${port}/health/ready`;
      expect(script).toContain(url);

      let status = 200;
      const server = createServer((_, response) => response.writeHead(status).end());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port: freePort } = server.address() as AddressInfo;
      const check = () => run(process.execPath, ["-e", script.replace(`:${port}/`, `:${freePort}/`)]);
      await check();
      status = 503;
      await expect(check()).rejects.toMatchObject({ code: 1 });
      await new Promise((resolve) => server.close(resolve));
      await expect(check()).rejects.toMatchObject({ code: 1 });
    },
  );
});

describe("ports and names", () => {
  test("every port of the host is published on loopback, and only once", () => {
    const published = services.flatMap(([, { ports }]) => ports);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const host = published.map((port) => port.split(":")[1]);
    expect(new Set(host).size).toBe(host.length);
    expect(host).toEqual(expect.arrayContaining(["8000", "3000", "8080", "3307", "9092"]));
  });

  test("consumers scale: no container_name anywhere, no port of the host for them", () => {
    expect(text).not.toMatch(/^\s*container_name\s*:/m);
    expect(service("consumer").ports).toEqual([]);
  });

  test("every volume is declared and used, every mounted file is there", () => {
    const sources = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(":")[0]!));
    const [files, named] = [
      sources.filter((s) => s.startsWith(".")),
      sources.filter((s) => !s.startsWith(".")),
    ];
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)));
    expect(files).not.toEqual([]);
    for (const path of files) expect(existsSync(join(root, path)), path).toBe(true);
  });
});

describe("secrets", () => {
  test("are written once, random, and for one reader only", async () => {
    expect(service("secrets").command).toEqual([SECRETS]);
    expect(service("secrets").volumes).toContain(`secrets:${SECRETS}`);
    const first = await writeSecrets();
    const again = await writeSecrets(first.folder);
    const other = await writeSecrets();

    expect(again.files).toEqual(first.files);
    expect(statSync(first.folder).mode & 0o777).toBe(0o711);
    expect([...other.files.keys()]).toEqual([...first.files.keys()]);
    for (const [name, value] of first.files) {
      expect(statSync(join(first.folder, name)).mode & 0o777, name).toBe(0o400);
      expect(value, name).not.toBe(other.files.get(name));
      expect(passwordOf(value), name).toMatch(/^[A-Za-z0-9]{32}$/);
    }
    const passwords = new Set([...first.files.values()].map(passwordOf));
    expect(passwords.size).toBe(6); // root, writer, reader, Grafana's admin, the API's control and its sessions
  });

  test("a lost file is written anew and fits the ones that stayed", async () => {
    const { folder, files } = await writeSecrets();
    rmSync(join(folder, "mysql_reader_url"));
    expect((await writeSecrets(folder)).files).toEqual(files);
  });

  test("the URLs are what the program takes, for the users and the database compose sets up", async () => {
    const { files } = await writeSecrets();
    const urls = ["mysql_url", "mysql_writer_url", "mysql_reader_url"].map((name) => files.get(name)!);
    const [owner, writer, reader] = urls.map((url) => new URL(url));
    const settings = { MYSQL_URL: urls[0], MYSQL_WRITER_URL: urls[1], MYSQL_READER_URL: urls[2] };
    expect(config.readSettings(config.sqlSettings, settings)).toMatchObject(settings);

    const users = [owner!, writer!, reader!].map(({ username }) => username);
    expect(users).toEqual(["root", "rushhour_writer", "rushhour_reader"]);
    expect(owner!.password).toBe(files.get("mysql_root_password"));
    expect(reader!.password).toBe(files.get("mysql_reader_password"));
    const source = dataSource();
    expect(source).toMatchObject({ url: reader!.host, user: reader!.username });
    for (const url of [owner, writer, reader]) {
      expect(url!.host).toBe("mysql:3306");
      expect(url!.pathname).toBe(`/${service("mysql").environment["MYSQL_DATABASE"]!}`);
      expect(url!.pathname).toBe(`/${source.jsonData.database}`);
    }
  });

  test("the API asks for the token that the simulator sends, and takes it as it is written", async () => {
    const { files } = await writeSecrets();
    for (const name of ["api", "simulator"]) {
      const { API_ADMIN_TOKEN_FILE } = service(name).environment;
      const API_ADMIN_TOKEN = files.get(basename(API_ADMIN_TOKEN_FILE!));
      expect(config.readSettings(config.adminSettings, { API_ADMIN_TOKEN })).toEqual({ API_ADMIN_TOKEN });
    }
  });

  /** Which file each service reads, by its settings and by Grafana's provisioning. */
  const readers = [
    ...services.flatMap(([name, { environment }]) =>
      Object.entries(environment)
        .filter(([variable]) => variable.endsWith("_FILE"))
        .map(([, path]) => [name, path] as const),
    ),
    ["grafana", dataSource().secureJsonData.password.replace(/^\$__file\{(.*)\}$/, "$1")] as const,
  ];

  test.each(readers)("%s finds %s", async (name, path) => {
    expect(dirname(path)).toBe(SECRETS);
    expect(service(name).volumes).toContain(`secrets:${SECRETS}:ro`);
    expect([...(await writeSecrets()).files.keys()]).toContain(basename(path));
  });

  test.runIf(process.getuid?.() === 0).each(readers)("%s may open %s", async (name, path) => {
    const { folder } = await writeSecrets();
    const user = service(name).user ?? "1000"; // the image's user "node"
    expect(String(statSync(join(folder, basename(path))).uid)).toBe(user.split(":")[0]);
  });

  test("the log says where to read the passwords and shows none", async () => {
    const { folder, stdout, files } = await writeSecrets();
    expect(stdout).toContain(`${folder}/grafana_admin_password`);
    for (const value of files.values()) expect(stdout).not.toContain(passwordOf(value));
  });

  test("no password stands in a file of the deployment", () => {
    for (const [name, { environment }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        const isOpen = /_URL$/.test(variable) && URL.canParse(value) && new URL(value).password === "";
        if (/PASSWORD|SECRET|TOKEN|_KEY|_URL/.test(variable) && !isOpen) {
          expect([variable, value], name).toEqual([
            expect.stringMatching(/_FILE$/),
            expect.stringMatching(/^\/run\//),
          ]);
        }
      }
    }
    expect(dataSource().secureJsonData.password).toMatch(/^\$__file\{\/run\/[\w/]+\}$/);
    for (const file of [text, dockerfile, read("compose/secrets.sh")]) {
      expect(file).not.toMatch(/:\/\/[^\s:/@$]+:[^\s$/@]+@/); // user:password@ in a URL
    }
  });
});

const passwordOf = (value: string) => (URL.canParse(value) ? new URL(value).password : value);

function dataSource() {
  const [source] = z
    .object({
      datasources: z.tuple([
        z.object({
          url: z.string(),
          user: z.string(),
          jsonData: z.object({ database: z.string() }),
          secureJsonData: z.object({ password: z.string() }),
        }),
      ]),
    })
    .parse(parse(read("grafana/provisioning/datasources/mysql.yaml"))).datasources;
  return source;
}

test("Grafana finds its dashboards where they are mounted", () => {
  const provider = z
    .object({ providers: z.tuple([z.object({ options: z.object({ path: z.string() }) })]) })
    .parse(parse(read("grafana/provisioning/dashboards/rushhour.yaml")));
  const { path } = provider.providers[0].options;
  const { volumes, environment } = service("grafana");
  expect(volumes).toEqual(
    expect.arrayContaining([
      `./grafana/dashboards:${path}:ro`,
      "./grafana/provisioning:/etc/grafana/provisioning:ro",
    ]),
  );
  const home = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]!;
  expect(existsSync(join(root, "grafana/dashboards", relative(path, home)))).toBe(true);
});
