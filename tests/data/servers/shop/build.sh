# shellcheck shell=sh
# Compiles the servlet into an unpacked web app.
set -e
mkdir -p out/WEB-INF/classes
javac -encoding UTF-8 -cp /usr/share/tomcat10/lib/servlet-api.jar -d out/WEB-INF/classes src/*.java
cp web.xml out/WEB-INF/web.xml
cp VERSION out/WEB-INF/classes/version
