# The messenger as an image: one file a program, and a Node.js. Build it with scripts/build-container.sh, or:
#   docker build -t apel-ssm .
# The receiver is what runs; for the sender: --entrypoint ssmsend.
#
# There is no USER here: the owner of the mounted spool decides. Started as root, a program becomes that owner once it has
# read configuration, key and certificates and opened its log; or start the container with --user. Nothing is written outside
# the volumes but the pidfile, and it is not needed: the root file system may be read-only (--read-only --tmpfs /run).

# BASE: a system with Node.js in it, to run on. BUILD: one with npm too. They may be the same.
ARG BUILD=node:22-slim
ARG BASE=node:22-slim

FROM ${BUILD} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# For a site whose proxy has a CA of its own.
ARG NODE_EXTRA_CA_CERTS=
RUN npm ci --ignore-scripts
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN npm run build && SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH node scripts/stage-package.mjs /stage

FROM ${BASE}
LABEL org.opencontainers.image.title="APEL SSM" \
      org.opencontainers.image.description="Secure STOMP Messenger: carries records from a directory queue to a central service" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
# Programs with their launchers, documents with licences and the bill of materials, configuration.
COPY --from=build /stage/tree/usr/bin/ /usr/bin/
COPY --from=build /stage/tree/usr/lib/apelssm/ /usr/lib/apelssm/
COPY --from=build /stage/tree/usr/share/doc/apelssm/ /usr/share/doc/apelssm/
COPY --from=build /stage/tree/etc/apel/ /etc/apel/
# With --user there may be no mount for the log.
RUN mkdir -p /etc/grid-security /var/spool/apel/outgoing /var/log/apel /run/apel \
 && chmod 1777 /run/apel /var/log/apel

# What the Python program's documentation mounts: /etc/apel/sender.cfg, /etc/apel/receiver.cfg, /etc/apel/dns,
# /etc/grid-security, /var/spool/apel or /var/spool/apel/outgoing, /var/log/apel.
VOLUME ["/var/spool/apel", "/var/log/apel"]
WORKDIR /
STOPSIGNAL SIGTERM
# As process 1 the receiver stays in the foreground; SIGTERM ends it within 20 s, with everything in its place.
ENTRYPOINT ["ssmreceive"]
