# rushhour, every role of it: docker run … rushhour <command>. Node runs the TypeScript as it is; nothing is built.
FROM node:24.19.0-bookworm-slim

WORKDIR /app
COPY package.json package-lock.json ./
# --ignore-scripts: the npm package "node" would fetch a second Node 24 by its install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY . .

# Tallies of runs; the only place the program writes to.
ENV NODE_ENV=production RUSHHOUR_HOME=/var/lib/rushhour
RUN install -d -o node -g node "$RUSHHOUR_HOME"

USER node
ENTRYPOINT ["node", "cli/rushhour.js"]
CMD ["--help"]
