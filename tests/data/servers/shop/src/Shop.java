import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** A shop that says its version, which process it runs in, and whether it is well. */
public class Shop extends HttpServlet {
	private static final long serialVersionUID = 1L;
	private String version;

	@Override
	public void init() {
		try (InputStream in = Shop.class.getResourceAsStream("/version")) {
			version = new String(in.readAllBytes(), StandardCharsets.UTF_8).trim();
		} catch (IOException e) {
			throw new IllegalStateException("no version in the release", e);
		}
	}

	@Override
	protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
		boolean sick = version.startsWith("sick");
		response.setContentType("text/plain");
		if (sick && request.getServletPath().equals("/healthz"))
			response.setStatus(HttpServletResponse.SC_SERVICE_UNAVAILABLE);
		response.getWriter().println(version + " " + ProcessHandle.current().pid());
	}
}
