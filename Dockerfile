# The messenger as an image. No program runs by default but the receiver; for the sender:
#   docker run --rm --entrypoint ssmsend -v … IMAGE -c /etc/apel/sender.cfg
#
# There is no USER here: the owner of the mounted spool decides. Started as root, a program becomes that owner once it has
# read configuration, key and certificates; or start the container with --user.

FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /opt/secure-stomp-messenger
COPY --from=build /build/package.json /build/LICENSE /build/CHANGELOG.md ./
COPY --from=build /build/conf ./conf
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist/src ./dist/src
RUN for name in ssmsend ssmreceive ssmctl; do \
      ln -s "/opt/secure-stomp-messenger/dist/src/bin/$name.js" "/usr/local/bin/$name"; \
    done \
 && mkdir -p /etc/apel /etc/grid-security /var/spool/apel /var/log/apel /run/apel

VOLUME ["/etc/apel", "/etc/grid-security", "/var/spool/apel", "/var/log/apel"]
WORKDIR /var/spool/apel
STOPSIGNAL SIGTERM
# As process 1 the receiver stays in the foreground.
ENTRYPOINT ["ssmreceive"]
